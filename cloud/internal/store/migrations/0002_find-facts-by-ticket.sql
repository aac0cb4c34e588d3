-- +goose Up
-- The ticket that a fact is about, so that its history can be found. NULL: about none, or the body could
-- not be read.
ALTER TABLE fact ADD COLUMN ticket {{int}};
CREATE INDEX fact_ticket ON fact (tenant, ticket, time_ms) WHERE ticket IS NOT NULL;
