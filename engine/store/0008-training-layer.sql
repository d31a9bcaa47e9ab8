-- What training was like, layer by layer and epoch by epoch: sizes of gradients, weights and steps of layers
-- with weights, dead units of relus, and what is wrong with them.
CREATE TABLE training_layer (
    run      INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
    epoch    INTEGER NOT NULL,          -- from 1
    seq      INTEGER NOT NULL,          -- the layer's place in the network
    layer    TEXT NOT NULL,
    gradient REAL,                      -- root mean square of the batches' gradients
    weight   REAL,                      -- of the weights after the epoch
    change   REAL,                      -- of the steps, over weight
    units    INTEGER,                   -- of a relu
    dead     INTEGER,                   -- units that were 0 for every row
    bins     TEXT,                      -- last epoch: JSON, parameters by gradient of its last batch,
                                        -- {"zero": n, "-7": from 2^-7 to 2^-6, ...}
    finding  TEXT,                      -- vanishing, exploding, dead; NULL: nothing
    PRIMARY KEY (run, epoch, seq)
) STRICT, WITHOUT ROWID;
