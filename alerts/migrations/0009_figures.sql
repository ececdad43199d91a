-- What figures are asked by.

-- The code of the ticket's street, taken out of camera_info; absent where its place is not known that well.
ALTER TABLE tickets ADD COLUMN street TEXT;

UPDATE tickets SET street = substr(camera_info, instr(camera_info, '"grid":"') + 8, 9)
    WHERE instr(camera_info, '"grid":"') > 0;
-- A code that ends before the street does.
UPDATE tickets SET street = NULL WHERE street LIKE '%"%';

CREATE INDEX tickets_by_street ON tickets (street, confirmed_at, id);
