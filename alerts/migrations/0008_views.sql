-- Further cameras that see the problem of a ticket, and where on their views; the camera that opened it is in the ticket.

CREATE TABLE ticket_views (
    ticket TEXT NOT NULL REFERENCES tickets (id),
    camera TEXT NOT NULL,
    zone TEXT NOT NULL,
    first_seen BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    x0 DOUBLE PRECISION NOT NULL,
    y0 DOUBLE PRECISION NOT NULL,
    x1 DOUBLE PRECISION NOT NULL,
    y1 DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (ticket, camera)
);

-- Whose picture it is; absent where it is that of the camera that opened the ticket.
ALTER TABLE evidence ADD COLUMN camera TEXT;

-- Each camera's sight of each problem that looks opened, by ticket.
CREATE VIEW sights AS
    SELECT id, kind, state, case_state, confirmed_at, cleared_at, ended_at, 0 AS joined,
        camera, zone, first_seen, last_seen, x0, y0, x1, y1
        FROM tickets WHERE id NOT IN (SELECT ticket FROM sensor_cases)
    UNION ALL
    SELECT t.id, t.kind, t.state, t.case_state, t.confirmed_at, t.cleared_at, t.ended_at, 1 AS joined,
        v.camera, v.zone, v.first_seen, v.last_seen, v.x0, v.y0, v.x1, v.y1
        FROM ticket_views v JOIN tickets t ON t.id = v.ticket;
