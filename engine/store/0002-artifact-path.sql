-- Version 2: artifact.path is relative to the store's folder, so that a store may be moved together
-- with its pictures. Version 1 wrote pictures beside the store only, as
-- FOLDER/<store>-pictures/run-<id>/<name>, with the folder that the store was in then: the last
-- three parts stay. rtrim leaves what stands before the last slash.
UPDATE artifact
SET path = replace(head, rtrim(head, replace(head, '/', '')), '') || tail
FROM (SELECT id AS artifact_id, tail, substr(path, 1, length(path) - length(tail)) AS head
      FROM (SELECT id, path, '-pictures/run-' || run || '/' || name AS tail FROM artifact)
      WHERE substr(path, -length(tail)) = tail AND path LIKE '/%')
WHERE id = artifact_id;
