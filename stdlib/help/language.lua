-- `lunette help language`: how words fit together, on one page.
return [[
language - how words make an experiment

A script is Lua 5.4 and returns one experiment, or a list of them. It is a description: all of
it is checked before anything runs.

    return experiment "credit" {
      seed     = 7,
      data     = csv "german_credit.csv" { target = "class", positive = "bad" },
      model    = network { dense { 64 }, relu, dense { 2 } },
      train    = { epochs = 40, optimizer = adam { lr = 1e-3 } },
      evaluate = { accuracy, roc_auc },
      inputs   = rows { split = "test", take = 100 },
      target   = predicted,
      explain  = { saliency, integrated_gradients { steps = sweep { 16, 64 } } },
      judge    = { deletion },
      expect   = { at_least { accuracy, 0.70 },
                   better { integrated_gradients { steps = 64 }, than = saliency, on = deletion } },
    }

WORDS
    Words are values that do not change. A word is used bare (saliency) or called with options
    (saliency { absolute = false }), and a call returns a new word:
    local net = network { dense { 64 } }. Calls add up: csv "d.csv" { target = "y" }.
    An option that may stand first needs no name: dense { 64 } is dense { units = 64 }.
    A name that is no word, no local variable and no part of Lua is an error. require "name"
    loads name.lua from the script's folder; os, io and debug are not there.
    Paths of files start at the script's folder.

NUMBERS
    Classes, rows and features count from 0; entries of lists in a field's path
    (explain[1].steps) count from 1.

SPLITS
    split = { train = 0.7, test = 0.3 }    drawn; shares or numbers of rows; also validation,
                                           stratify, by = "column", seed
    split = { column = "set" }             a column says train, test or validation
    split = { folds = 5, repeats = 3 }     cross-validation: each fold is a run
    Without it: 0.75 and 0.25, stratified for classes. evaluate reads the test rows, and inputs
    are the test rows unless it says otherwise.

TARGETS
    target = predicted                     the class that the model predicts (the default)
    target = label                         the true class
    target = 1, target = "bad"             one class for all rows
    target = { 0, 1, 1 }                   one class a row
    link says on which scale: "raw" (the output as it is), "logit", "probability", "loss".

SWEEPS
    sweep { a, b, c } in place of a value: in explain, control, evaluate and judge it makes
    variants within one run; anywhere else it makes runs, one a combination, the sweep written
    first changing slowest.

LABELS
    Every explainer, metric and judge has a label, unique in its list: as = "label", else its
    word, with what was swept (integrated_gradients-16) or a number (saliency-2) where it must
    be. The store, files and pictures are named by it.

EXPECTATIONS
    at_least { accuracy, 0.7 }, at_most { log_loss, 0.6 } hold for every match in every run.
    better { a, than = b, on = judge } compares two explainers sample by sample.
    A word stands for all of that word whose options include those written, a text for a label.
    Where one does not hold the exit status is 3.

COMMAND LINE
    --set path=value changes a field before the check: train.epochs=3, model[1].units=8,
    explain.saliency.absolute=false, data.split.seed=1. On a swept field it replaces the sweep.

SEE ALSO
    lunette help experiment, csv, network, rows, sweep, or a field: lunette help train.epochs
    lunette list words
]]
