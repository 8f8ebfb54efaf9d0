TRUNCATE hubspot.outbox, hubspot.result, hubspot.request, hubspot.checkpoint_0, hubspot.checkpoint_1, hubspot.record, hubspot.confirmed, hubspot.deferred, hubspot.dead, hubspot.command;
INSERT INTO hubspot.checkpoint VALUES (1, '2026-05-28', 0, '1000000:1000000:', '1000000');
