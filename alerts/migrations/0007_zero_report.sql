-- Zero reports, and the looks that prove them.

-- How a camera was looked at on a day of reports.
CREATE TABLE look_days (
    camera TEXT NOT NULL,
    -- The date on which the day of reports ends, as 2026-11-24.
    day TEXT NOT NULL,
    looks BIGINT NOT NULL,
    -- How long the looks of that day vouch for, in milliseconds.
    covered BIGINT NOT NULL,
    PRIMARY KEY (camera, day)
);

-- Since when each camera is to be looked at, and when it last was.
CREATE TABLE look_marks (
    camera TEXT PRIMARY KEY,
    since BIGINT NOT NULL,
    last_look BIGINT
);

CREATE TABLE zero_reports (
    station TEXT NOT NULL,
    day TEXT NOT NULL,
    made_at BIGINT NOT NULL,
    -- JSON.
    report TEXT NOT NULL,
    PRIMARY KEY (station, day)
);
