-- +goose Up
-- A dead letter that was folded after all stays on record, with who asked for it. NULL: open.
ALTER TABLE dead_letter ADD COLUMN settled_ms {{int}};
ALTER TABLE dead_letter ADD COLUMN settled_by {{text}};
