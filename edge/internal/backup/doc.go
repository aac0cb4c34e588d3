// Package backup writes a station's backups and reads them back: age(zstd(tar)), encrypted to the
// venue's recovery key and to the cloud's (docs/backup.md). It keeps generations, checks what it
// wrote, and brings a backup onto an empty machine.
//
// A backup never holds a private key, a data key or a chain key: a restored machine enrols anew. The
// package must not know how the ledger keeps what it hands over, the cloud, HTTP or pages.
package backup
