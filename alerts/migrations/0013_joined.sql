-- The ticket of a camera that tells of a device's problem, too; absent where the case has a ticket of its own.
ALTER TABLE sensor_cases ADD COLUMN joined TEXT;

CREATE INDEX sensor_cases_by_joined ON sensor_cases (joined);
