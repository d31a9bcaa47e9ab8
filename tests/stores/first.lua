-- What made first.db.gz: two runs as the first landing kept them (schema version 1; on a machine named
-- example, then a tag and a saved query). d.csv is first.csv.
return experiment "first" {
  data = csv "d.csv" { target = "y", split = { train = 4, test = 4 } },
  seed = sweep { 0, 1 },
  model = network { dense { 2 } },
  train = { epochs = 2 },
  evaluate = { accuracy, roc_curve },
  explain = { saliency, integrated_gradients { steps = 8 } },
  judge = { deletion },
  pictures = { importance_bar },
  expect = { at_least { accuracy, 0 } },
}
