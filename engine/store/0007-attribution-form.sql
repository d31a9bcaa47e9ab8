-- Version 7: kind and space of an attribution are one small number on disk, which takes none or one
-- byte instead of 11 to 16, and the words are columns computed from it: an attribution of 30 numbers
-- then takes less than twice the numbers. find_form (attributions.c) knows the same: 4 * kind + space.
ALTER TABLE attribution ADD COLUMN form INTEGER NOT NULL DEFAULT 0;
UPDATE attribution
SET form = 4 * CASE kind WHEN 'feature' THEN 0 WHEN 'interaction' THEN 1 WHEN 'activation' THEN 2 ELSE 3 END +
           CASE space WHEN 'column' THEN 0 WHEN 'input' THEN 1 WHEN 'group' THEN 2 ELSE 3 END;
ALTER TABLE attribution DROP COLUMN kind;
ALTER TABLE attribution DROP COLUMN space;
-- feature, interaction, activation, input
ALTER TABLE attribution ADD COLUMN kind TEXT
    AS (CASE form / 4 WHEN 0 THEN 'feature' WHEN 1 THEN 'interaction' WHEN 2 THEN 'activation' ELSE 'input' END) VIRTUAL;
-- column, input, group, layer
ALTER TABLE attribution ADD COLUMN space TEXT
    AS (CASE form % 4 WHEN 0 THEN 'column' WHEN 1 THEN 'input' WHEN 2 THEN 'group' ELSE 'layer' END) VIRTUAL;
