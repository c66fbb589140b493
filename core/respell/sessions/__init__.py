"""Sessions: the durable record of one, its lifecycle, and how sessions are asked for."""
