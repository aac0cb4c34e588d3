// Package seglog is the journal on disk: one directory of pre-allocated, pre-zeroed segment files,
// one committer goroutine, group commit without a timer.
//
// It knows files, order, durability, the chain and how to come back after a power cut
// (docs/formats/journal.md has the format to the byte). It must not know what a fact means, who
// uploads it, or when it may be forgotten: bodies are opaque and Trim is told where to cut.
//
// # How a record becomes durable
//
// Append encodes the record into a buffer in memory, under a short mutex. The committer takes the
// whole buffer, so that whatever was waiting shares one write and one fdatasync; while it syncs, the
// next buffer fills. At most one batch is ever written and not yet synced. That is also how
// recovery tells a torn tail from damage: each record says where its batch began, and everything
// before that was durable when the record was written.
//
// # Space
//
// Records are only accepted into space that already exists: zeroed, synced segments. A background
// goroutine keeps Config.Ahead of them ready, so running out of disk can never fail a commit; it
// shows as ErrFull at Append, and earlier as Stats.Low. The last Config.Reserve bytes are for
// AppendReserve: facts that finish something already begun.
//
// A caller that appends without ever waiting can be at most the prepared space ahead of the disk
// (Config.Ahead segments or one less while one is being prepared) and gets ErrFull beyond it: Wait
// for an earlier sequence number and go on.
package seglog
