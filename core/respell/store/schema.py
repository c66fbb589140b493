"""The tables of a store, and how older stores become newer ones."""

from __future__ import annotations

APPLICATION_ID = 0x52535031
"""Marks the file as a Respell store (`file` and `PRAGMA application_id` show it)."""

MIGRATIONS: tuple[str, ...] = (
    # 1: the first
    """
    CREATE TABLE sessions (
        key INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL,
        description TEXT NOT NULL,
        status TEXT NOT NULL,
        script BLOB,                            -- a path: any bytes
        script_hash TEXT,
        args TEXT,                              -- JSON array
        tags TEXT,                              -- JSON array
        metadata BLOB,                          -- canonical value
        parent_session_id TEXT,
        forked_from TEXT,
        forked_at TEXT,
        fork_of INTEGER,
        fork_seq INTEGER NOT NULL,
        created_by TEXT,
        created_at INTEGER NOT NULL,            -- all times: microseconds since 1970 UTC
        updated_at INTEGER NOT NULL,
        ended_at INTEGER,
        events INTEGER NOT NULL,
        records INTEGER NOT NULL,
        head_hash BLOB NOT NULL,
        artifacts INTEGER NOT NULL,
        usage TEXT,                             -- JSON object
        limits TEXT,                            -- JSON object
        waiting_for BLOB,                       -- canonical value
        error BLOB,                             -- canonical value
        sequence INTEGER NOT NULL DEFAULT 0,    -- last artifact's
        deleted INTEGER NOT NULL DEFAULT 0      -- hidden, but a fork reads its records
    ) STRICT;
    CREATE INDEX sessions_parent ON sessions (parent_session_id)
        WHERE parent_session_id IS NOT NULL;
    CREATE INDEX sessions_fork ON sessions (fork_of) WHERE fork_of IS NOT NULL;

    -- Apart, because the sessions row is rewritten with every append.
    CREATE TABLE session_inputs (
        session INTEGER PRIMARY KEY,
        input BLOB NOT NULL
    ) STRICT;

    CREATE TABLE records (
        session INTEGER NOT NULL,
        seq INTEGER NOT NULL,
        number INTEGER NOT NULL,
        begun INTEGER,                          -- last event begun; NULL: it is this one
        hash BLOB NOT NULL,                     -- of the chain, after this record
        large BLOB,                             -- which fields are blobs, and their addresses
        body BLOB NOT NULL,
        PRIMARY KEY (session, seq)
    ) STRICT, WITHOUT ROWID;
    -- Most records begin their event. Their numbers rise with seq, so they are found by
    -- halves; an index of all would cost each append a third more.
    CREATE INDEX records_later ON records (session, number) WHERE begun IS NOT NULL;

    CREATE TABLE open_effects (
        session INTEGER NOT NULL,
        number INTEGER NOT NULL,
        seq INTEGER NOT NULL,                   -- of the intent
        name TEXT NOT NULL,
        due INTEGER,
        PRIMARY KEY (session, number)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX open_effects_due ON open_effects (due) WHERE due IS NOT NULL;

    CREATE TABLE state (
        scope TEXT NOT NULL,
        key TEXT NOT NULL,
        value BLOB NOT NULL,                    -- canonical value
        updated_at INTEGER NOT NULL,
        PRIMARY KEY (scope, key)
    ) STRICT;

    CREATE TABLE blobs (
        id INTEGER PRIMARY KEY,
        hash BLOB NOT NULL UNIQUE,              -- blake3 of the raw bytes
        size INTEGER NOT NULL,                  -- raw bytes
        stored_size INTEGER NOT NULL,
        codec INTEGER NOT NULL,                 -- 0 raw, 1 lz4.frame
        place INTEGER NOT NULL,                 -- 0 blob_data, 1 a file, 2 chunks
        touched INTEGER NOT NULL                -- last time it was put
    ) STRICT;
    CREATE TABLE blob_data (                    -- the bytes, or the manifest of chunks
        id INTEGER PRIMARY KEY,
        data BLOB NOT NULL
    ) STRICT;
    CREATE TABLE blob_refs (                    -- what a session's history refers to
        session INTEGER NOT NULL,
        hash BLOB NOT NULL,
        PRIMARY KEY (session, hash)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX blob_refs_hash ON blob_refs (hash);

    CREATE TABLE artifacts (
        session INTEGER NOT NULL,
        sequence INTEGER NOT NULL,
        name TEXT NOT NULL,
        version INTEGER NOT NULL,
        content_hash BLOB NOT NULL,
        previous_hash BLOB,
        artifact_type TEXT NOT NULL,
        mime_type TEXT NOT NULL,
        size INTEGER NOT NULL,
        description TEXT NOT NULL,
        tags TEXT,                              -- JSON array
        custom BLOB,                            -- canonical value
        is_value INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        created_by TEXT,
        parent_artifact TEXT,
        event INTEGER,
        deleted INTEGER NOT NULL DEFAULT 0,     -- its version must not come again
        PRIMARY KEY (session, sequence)
    ) STRICT, WITHOUT ROWID;
    CREATE UNIQUE INDEX artifacts_version ON artifacts (session, name, version);
    CREATE INDEX artifacts_content ON artifacts (content_hash);

    CREATE TABLE leases (
        session INTEGER PRIMARY KEY,
        token INTEGER NOT NULL,                 -- never the same again, for no session
        pid INTEGER,                            -- NULL: nobody holds it
        start_time INTEGER,
        boot_id TEXT,
        pid_namespace TEXT,
        host TEXT,
        since INTEGER,
        heartbeat INTEGER
    ) STRICT;

    CREATE TABLE inbox (
        id INTEGER PRIMARY KEY,
        session INTEGER NOT NULL,
        kind TEXT NOT NULL,
        payload BLOB NOT NULL,                  -- canonical value
        posted_at INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX inbox_session ON inbox (session);
    """,
    # 2: artifacts are found by tag and text, decisions are audited, exports may be redacted
    """
    ALTER TABLE sessions ADD COLUMN redacted INTEGER NOT NULL DEFAULT 0;
    -- Of an imported one: what it may do here, in place of what was recorded elsewhere.
    ALTER TABLE sessions ADD COLUMN permissions BLOB;

    -- Text in which case does not matter: the name, and description and tags together.
    ALTER TABLE artifacts ADD COLUMN folded_name TEXT NOT NULL DEFAULT '';
    ALTER TABLE artifacts ADD COLUMN folded_text TEXT NOT NULL DEFAULT '';
    -- What is damaged must not keep the store from being opened: only then `check` can mend it.
    -- As bytes, because text may be no UTF-8 any more.
    UPDATE artifacts SET folded_name = folded(CAST(name AS BLOB)), folded_text = folded(CAST(
        description || ifnull(
            (SELECT group_concat(char(10) || value, '')
                FROM json_each(CASE WHEN json_valid(tags) THEN tags END)), ''
        ) AS BLOB)
    );
    CREATE INDEX artifacts_recent ON artifacts (created_at) WHERE deleted = 0;
    -- All that artifacts are sorted by or found by, tags apart: a search reads nothing else.
    CREATE INDEX artifacts_found ON artifacts (
        session, created_at, sequence, size, version, artifact_type, mime_type, name,
        folded_name, folded_text
    ) WHERE deleted = 0;
    CREATE INDEX sessions_deleted ON sessions (key) WHERE deleted;
    CREATE INDEX sessions_script ON sessions (script_hash) WHERE script_hash IS NOT NULL;

    CREATE TABLE artifact_tags (                -- of artifacts that are not deleted
        tag TEXT NOT NULL,
        session INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        sequence INTEGER NOT NULL,
        PRIMARY KEY (tag, session, created_at, sequence)
    ) STRICT, WITHOUT ROWID;
    INSERT OR IGNORE INTO artifact_tags (tag, session, created_at, sequence)
        SELECT value, session, created_at, sequence
        FROM artifacts, json_each(CASE WHEN json_valid(tags) THEN tags END)
        WHERE tags IS NOT NULL AND NOT deleted;
    CREATE TRIGGER artifacts_tagged AFTER INSERT ON artifacts
    WHEN NEW.tags IS NOT NULL AND NOT NEW.deleted BEGIN
        INSERT OR IGNORE INTO artifact_tags (tag, session, created_at, sequence)
            SELECT value, NEW.session, NEW.created_at, NEW.sequence FROM json_each(NEW.tags);
    END;
    CREATE TRIGGER artifacts_untagged AFTER UPDATE OF deleted ON artifacts
    WHEN NEW.deleted AND OLD.tags IS NOT NULL BEGIN
        DELETE FROM artifact_tags WHERE session = OLD.session AND created_at = OLD.created_at
            AND sequence = OLD.sequence AND tag IN (SELECT value FROM json_each(OLD.tags));
    END;
    CREATE TRIGGER artifacts_removed AFTER DELETE ON artifacts
    WHEN OLD.tags IS NOT NULL AND NOT OLD.deleted BEGIN
        DELETE FROM artifact_tags WHERE session = OLD.session AND created_at = OLD.created_at
            AND sequence = OLD.sequence AND tag IN (SELECT value FROM json_each(OLD.tags));
    END;

    CREATE INDEX artifacts_event ON artifacts (session, event) WHERE event IS NOT NULL;

    CREATE TABLE audit (
        id INTEGER PRIMARY KEY,
        at INTEGER NOT NULL,
        session TEXT NOT NULL,                  -- id of the session it is about
        actor TEXT NOT NULL,                    -- a session's id, or who else: cli, python
        action TEXT NOT NULL,                   -- e.g. session.delete, artifact.get
        target TEXT NOT NULL,                   -- what it was done to, as people call it
        allowed INTEGER NOT NULL,
        reason TEXT NOT NULL                    -- why it was refused, or what else to know
    ) STRICT;
    CREATE INDEX audit_session ON audit (session);
    CREATE INDEX audit_actor ON audit (actor);

    CREATE TABLE notes (                        -- what the store remembers of itself
        key TEXT PRIMARY KEY,
        value BLOB NOT NULL                     -- canonical value
    ) STRICT, WITHOUT ROWID;

    -- Checksums of rows that no hash chain covers (see `store/sums.py`).
    ALTER TABLE sessions ADD COLUMN sum INTEGER;
    ALTER TABLE session_inputs ADD COLUMN sum INTEGER;
    ALTER TABLE artifacts ADD COLUMN sum INTEGER;
    ALTER TABLE state ADD COLUMN sum INTEGER;
    UPDATE sessions SET sum = row_sum(
        id, name, description, status, script, script_hash, args, tags, metadata,
        parent_session_id, forked_from, forked_at, fork_of, fork_seq, created_by, created_at,
        ended_at, usage, limits, waiting_for, error, deleted, redacted, permissions
    ) WHERE is_text(
        CAST(id AS BLOB), CAST(name AS BLOB), CAST(description AS BLOB), CAST(status AS BLOB),
        CAST(script_hash AS BLOB), CAST(args AS BLOB), CAST(tags AS BLOB),
        CAST(parent_session_id AS BLOB), CAST(forked_from AS BLOB), CAST(forked_at AS BLOB),
        CAST(created_by AS BLOB), CAST(usage AS BLOB), CAST(limits AS BLOB)
    );
    UPDATE session_inputs SET sum = row_sum(session, input);
    UPDATE artifacts SET sum = row_sum(
        session, sequence, name, version, content_hash, previous_hash, artifact_type, mime_type,
        size, description, tags, custom, is_value, created_at, created_by, parent_artifact,
        event, deleted
    ) WHERE is_text(
        CAST(name AS BLOB), CAST(artifact_type AS BLOB), CAST(mime_type AS BLOB),
        CAST(description AS BLOB), CAST(tags AS BLOB), CAST(created_by AS BLOB),
        CAST(parent_artifact AS BLOB)
    );
    UPDATE state SET sum = row_sum(scope, key, value)
        WHERE is_text(CAST(scope AS BLOB), CAST(key AS BLOB));
    -- Sums are written with their rows; where that is rarely needed a trigger sees to it.
    CREATE TRIGGER sessions_inserted AFTER INSERT ON sessions WHEN NEW.sum IS NULL BEGIN
        UPDATE sessions SET sum = row_sum(
        id, name, description, status, script, script_hash, args, tags, metadata,
        parent_session_id, forked_from, forked_at, fork_of, fork_seq, created_by, created_at,
        ended_at, usage, limits, waiting_for, error, deleted, redacted, permissions
        ) WHERE key = NEW.key;
    END;
    CREATE TRIGGER sessions_marked AFTER UPDATE OF deleted, redacted, permissions ON sessions BEGIN
        UPDATE sessions SET sum = row_sum(
        id, name, description, status, script, script_hash, args, tags, metadata,
        parent_session_id, forked_from, forked_at, fork_of, fork_seq, created_by, created_at,
        ended_at, usage, limits, waiting_for, error, deleted, redacted, permissions
        ) WHERE key = NEW.key;
    END;
    CREATE TRIGGER artifacts_inserted AFTER INSERT ON artifacts WHEN NEW.sum IS NULL BEGIN
        UPDATE artifacts SET sum = row_sum(
        session, sequence, name, version, content_hash, previous_hash, artifact_type, mime_type,
        size, description, tags, custom, is_value, created_at, created_by, parent_artifact,
        event, deleted
        ) WHERE session = NEW.session AND sequence = NEW.sequence;
    END;
    CREATE TRIGGER artifacts_changed AFTER UPDATE OF
        session, sequence, name, version, content_hash, previous_hash, artifact_type, mime_type,
        size, description, tags, custom, is_value, created_at, created_by, parent_artifact,
        event, deleted
    ON artifacts BEGIN
        UPDATE artifacts SET sum = row_sum(
        session, sequence, name, version, content_hash, previous_hash, artifact_type, mime_type,
        size, description, tags, custom, is_value, created_at, created_by, parent_artifact,
        event, deleted
        ) WHERE session = NEW.session AND sequence = NEW.sequence;
    END;

    -- The collector looks for what lists of chunks refer to.
    CREATE INDEX blobs_lists ON blobs (touched) WHERE place = 2;

    -- A list's size is with its chunks, and it is compressed as soon as one of them is.
    UPDATE blobs SET (stored_size, codec) = (
        SELECT blobs.stored_size + ifnull(sum(piece.stored_size), 0), ifnull(max(piece.codec), 0)
        FROM blobs AS piece WHERE piece.place <> 2 AND piece.hash IN (
            WITH RECURSIVE part(at) AS (
                SELECT 33 UNION ALL SELECT at + 32 FROM part, blob_data
                WHERE blob_data.id = blobs.id AND at + 32 < length(data)
            )
            SELECT substr(data, at, 32) FROM part, blob_data WHERE blob_data.id = blobs.id
        )
    ) WHERE place = 2;
    """,
    # 3: what sessions let others do with what is theirs; the audit log has checksums; an
    # event bus; rates; breakpoints and bookmarks; sessions held by debuggers
    """
    ALTER TABLE audit ADD COLUMN sum INTEGER;
    UPDATE audit SET sum = row_sum(at, session, actor, action, target, allowed, reason)
        WHERE is_text(
            CAST(session AS BLOB), CAST(actor AS BLOB), CAST(action AS BLOB),
            CAST(target AS BLOB), CAST(reason AS BLOB)
        );

    CREATE TABLE grants (
        id INTEGER PRIMARY KEY,
        session INTEGER NOT NULL,               -- key of the session whose it is
        kind TEXT NOT NULL,                     -- artifact, state, events
        target TEXT NOT NULL,                   -- an artifact's number, a pattern of events, or ''
        grantee TEXT NOT NULL,                  -- id of the session that may
        level INTEGER NOT NULL,                 -- 1 read, 2 write, 3 admin
        expires_at INTEGER,                     -- NULL: never
        granted_by TEXT NOT NULL,               -- id of a session, or who else: cli, python
        granted_at INTEGER NOT NULL,
        sum INTEGER,
        UNIQUE (session, kind, target, grantee)
    ) STRICT;
    CREATE INDEX grants_grantee ON grants (grantee);

    CREATE TABLE debug_marks (
        id INTEGER PRIMARY KEY,
        session INTEGER NOT NULL,               -- key of the session that was debugged
        kind TEXT NOT NULL,                     -- breakpoint, bookmark
        name TEXT NOT NULL,                     -- a bookmark's name, a breakpoint's number
        value BLOB NOT NULL,                    -- canonical map of all else
        sum INTEGER,
        UNIQUE (session, kind, name)
    ) STRICT;

    -- New artifacts come with sum and tags: a trigger, even one that does nothing, makes storing
    -- one a tenth slower.
    DROP TRIGGER artifacts_inserted;
    DROP TRIGGER artifacts_tagged;

    -- The event bus. Only what somebody waits for is in here; see `store/bus.py`.
    CREATE TABLE bus_events (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL,
        type TEXT NOT NULL,
        data BLOB NOT NULL,                     -- canonical value
        session TEXT,                           -- id of the session it is of; NULL: of none
        correlation_id TEXT NOT NULL,
        cause_session TEXT,                     -- id of the session whose history has its cause
        cause_number INTEGER,                   -- the event's number there
        source TEXT NOT NULL,                   -- respell, script, python
        language TEXT NOT NULL,
        target_language TEXT,
        at INTEGER NOT NULL,
        expires INTEGER,                        -- NULL: never
        sum INTEGER
    ) STRICT;
    CREATE INDEX bus_events_expires ON bus_events (expires) WHERE expires IS NOT NULL;

    CREATE TABLE subscriptions (
        key INTEGER PRIMARY KEY AUTOINCREMENT,
        session INTEGER,                        -- whose script waits; NULL: a program outside
        name TEXT NOT NULL,
        pattern TEXT NOT NULL,
        prefix TEXT,                            -- the pattern without its star; NULL: it has none
        about TEXT,                             -- only events of the session of this id
        language TEXT NOT NULL,
        own_only INTEGER NOT NULL,              -- hears no sessions that were merely loaded
        owner BLOB,                             -- the process it goes with; NULL: it stays
        position INTEGER NOT NULL,              -- sequence of the last event taken
        taken INTEGER NOT NULL DEFAULT 0,
        dropped INTEGER NOT NULL DEFAULT 0,     -- because too many waited
        waiting INTEGER NOT NULL DEFAULT 0,     -- these two are kept by triggers
        bytes INTEGER NOT NULL DEFAULT 0,
        created_at INTEGER NOT NULL,
        seen_at INTEGER NOT NULL,               -- when its owner last asked
        sum INTEGER
    ) STRICT;
    CREATE UNIQUE INDEX subscriptions_name ON subscriptions (ifnull(session, 0), name);
    CREATE INDEX subscriptions_session ON subscriptions (session) WHERE session IS NOT NULL;

    CREATE TABLE deliveries (                   -- what waits for whom
        subscription INTEGER NOT NULL,
        sequence INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        UNIQUE (subscription, sequence)
    ) STRICT;
    CREATE INDEX deliveries_sequence ON deliveries (sequence);
    CREATE TRIGGER deliveries_inserted AFTER INSERT ON deliveries BEGIN
        UPDATE subscriptions SET waiting = waiting + 1, bytes = bytes + NEW.bytes
            WHERE key = NEW.subscription;
    END;
    CREATE TRIGGER deliveries_removed AFTER DELETE ON deliveries BEGIN
        UPDATE subscriptions SET waiting = waiting - 1, bytes = bytes - OLD.bytes
            WHERE key = OLD.subscription;
        DELETE FROM bus_events WHERE sequence = OLD.sequence
            AND NOT EXISTS (SELECT 1 FROM deliveries WHERE sequence = OLD.sequence);
    END;
    CREATE TRIGGER subscriptions_removed AFTER DELETE ON subscriptions BEGIN
        DELETE FROM deliveries WHERE subscription = OLD.key;
    END;

    -- The debugger that holds a session which runs; its host sees to these.
    ALTER TABLE leases ADD COLUMN debugger INTEGER;         -- its pid; NULL: nobody holds it
    ALTER TABLE leases ADD COLUMN debugger_start INTEGER;
    ALTER TABLE leases ADD COLUMN step INTEGER;             -- number of the last step made

    CREATE TABLE rates (                        -- what is left of rates that processes share
        name TEXT PRIMARY KEY,
        tokens REAL NOT NULL,                   -- negative: so many are reserved
        at INTEGER NOT NULL,                    -- as of then
        full_at INTEGER NOT NULL                -- from then on the row says nothing
    ) STRICT, WITHOUT ROWID;
    """,
)
"""Step n leads from version n to version n + 1. What was released is never edited."""

VERSION = len(MIGRATIONS)
"""The version this program writes (`PRAGMA user_version`)."""
