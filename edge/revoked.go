package edge

import (
	"errors"
	"os"
	"path/filepath"

	"yipiao/edge/internal/maint"
	"yipiao/sync/ticket"
	"yipiao/sync/wire"
)

// revokedFile lies in the data directory of a machine that the cloud has refused: another one is the
// station now, or the registration was withdrawn. It must not admit, also not after a restart without
// the cloud, because its tickets may be in other hands.
const revokedFile = "revoked"

// loadRevoked remembers an earlier refusal.
func (s *Station) loadRevoked() {
	_, err := os.Lstat(filepath.Join(s.cfg.Data, revokedFile))
	s.revoked.Store(err == nil)
}

// refusedBy takes the cloud's answer to a poll of the feed: only that answer says whether the machine is
// still the station. The rest of its journal may be uploaded either way.
func (s *Station) refusedBy(err error) {
	var answer *wire.Error
	refused := errors.As(err, &answer) && answer.Code == wire.CodeRevoked
	if err != nil && !refused || s.revoked.Swap(refused) == refused {
		return
	}
	path, state := filepath.Join(s.cfg.Data, revokedFile), "registration_restored"
	if refused {
		state = "registration_revoked"
		s.log.Error("the cloud refuses this machine: entries are closed")
		err = replaceFile(path, []byte(answer.Detail+"\n"))
	} else {
		err = os.Remove(path)
	}
	if err != nil {
		s.log.Error("refusal not remembered", "error", err)
	}
	s.note(ticket.FactOperatorAction, ticket.Note{Subject: "cloud", State: state})
	s.web.changed(maint.EventLane)
}
