-- What made a ticket, with each camera's sight of it: what only the learnt view told of must be known after a restart.
DROP VIEW sights;

CREATE VIEW sights AS
    SELECT id, kind, state, case_state, confirmed_at, cleared_at, ended_at, incident, 0 AS joined,
        camera, zone, first_seen, last_seen, x0, y0, x1, y1
        FROM tickets WHERE id NOT IN (SELECT ticket FROM sensor_cases)
    UNION ALL
    SELECT t.id, t.kind, t.state, t.case_state, t.confirmed_at, t.cleared_at, t.ended_at, t.incident, 1 AS joined,
        v.camera, v.zone, v.first_seen, v.last_seen, v.x0, v.y0, v.x1, v.y1
        FROM ticket_views v JOIN tickets t ON t.id = v.ticket;
