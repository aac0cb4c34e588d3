package ledger

import (
	"crypto/sha256"
	"sync"
	"time"

	"yipiao/sync/journal"
	"yipiao/sync/ticket"
)

// work is the scratch memory of one request, so that a decision allocates nothing. Nothing that
// outlives the request may point into it.
type work struct {
	scene   ticket.Scene
	ticket  ticket.Ticket
	verdict ticket.Verdict
	fact    ticket.Fact
	nonce   ticket.Nonce
	sum     ticket.Hash // identifies what is asked under the nonce
	buf     []byte
	recs    [1]journal.Record
}

var works = sync.Pool{New: func() any { return &work{buf: make([]byte, 0, 512)} }}

// request takes over what identifies a request with a nonce.
func (w *work) request(req *Request) {
	w.nonce = req.Nonce
	w.buf = append(append(append(w.buf[:0], req.Kind...), 0), req.Lane.Name...)
	w.buf = append(append(w.buf, 0), req.Payload...)
	sum := sha256.Sum256(w.buf)
	copy(w.sum[:], sum[:])
}

// exercise makes the fact of the verdict on the scene.
func (w *work) exercise(req *Request) ticket.FactKind {
	kind, f := ticket.Exercise(&w.scene, &w.verdict, req.Gated)
	f.Device = req.Device
	if !req.Nonce.IsZero() {
		f.Nonce, f.Request = &w.nonce, &w.sum
	}
	if kind == ticket.FactEntryGranted && req.Gated {
		f.Counter, f.PermitS = req.Counter, uint8(req.PermitFor/time.Second)
	}
	w.fact = f
	return kind
}
