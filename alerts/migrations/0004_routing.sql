-- Who answers for a ticket: JSON, frozen when the ticket opened; absent for older tickets and for kinds that nobody knows.

ALTER TABLE tickets ADD COLUMN route TEXT;
