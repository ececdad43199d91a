-- What is remembered of sensors, a bounded history of their readings, and the cases that readings opened.

CREATE TABLE sensor_memories (
    device TEXT PRIMARY KEY,
    -- JSON.
    memory TEXT NOT NULL
);

CREATE TABLE sensor_readings (
    device TEXT NOT NULL,
    measure TEXT NOT NULL,
    at BIGINT NOT NULL,
    value DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (device, measure, at)
);

CREATE INDEX sensor_readings_by_time ON sensor_readings (at);

-- Written before the ticket itself, so that a case outlasts a crash while its picture is being taken.
CREATE TABLE sensor_cases (
    ticket TEXT PRIMARY KEY,
    device TEXT NOT NULL,
    -- JSON, frozen when the case came about.
    opening TEXT NOT NULL,
    opened_at BIGINT NOT NULL,
    cleared_at BIGINT,
    last_seen BIGINT
);

CREATE INDEX sensor_cases_by_device ON sensor_cases (device, opened_at);
