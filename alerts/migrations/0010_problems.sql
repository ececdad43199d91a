-- The pages of what nobody understands, and how much of it came lately.

CREATE INDEX problems_by_time ON problems (received_at);
