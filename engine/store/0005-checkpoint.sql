-- How far a run's training is, so that a run that was interrupted goes on from there (`run --resume`).
-- One row a run, written anew every train.checkpoint epochs; deleted when the training is over.
CREATE TABLE checkpoint (
    run     INTEGER PRIMARY KEY REFERENCES run ON DELETE CASCADE,
    epoch   INTEGER NOT NULL,           -- epochs that are done
    state   TEXT NOT NULL,              -- JSON: step, best_epoch, best_loss, epochs (their losses)
    sha256  TEXT NOT NULL,              -- of numbers, as tensor.sha256
    numbers BLOB NOT NULL               -- f32: parameters, optimizer state, the best parameters
) STRICT;
