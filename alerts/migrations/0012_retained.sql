-- Under which topics the broker may hold the state of a camera: what is said of one that is gone is taken back, also where it
-- went while nobody was there to do so.

CREATE TABLE retained_statuses (
    topic TEXT PRIMARY KEY NOT NULL
);
