package wire

import "yipiao/sync/ticket"

// An EnrolRequest brings a station's keys to the cloud (architecture.md section 5, rule 2). The same
// request again gets the same reply, so a lost reply costs nothing.
type EnrolRequest struct {
	Version    int    `json:"version"`
	CodeID     string `json:"code_id"`     // public half of the one-time code: which code is meant
	StationCSR []byte `json:"station_csr"` // DER; the key never leaves the station
	SiteCSR    []byte `json:"site_csr"`    // DER, for the site's certificate authority
	Proof      []byte `json:"proof"`       // HMAC-SHA-256(secret half of the code, "yipiao enrol v1\x00" ‖ both CSRs, each after its length in 4 bytes big-endian)
}

// An EnrolReply makes the machine a station.
type EnrolReply struct {
	Tenant       ticket.TenantID  `json:"tenant"`
	Station      ticket.StationID `json:"station"`
	Venue        string           `json:"venue"`
	Epoch        uint32           `json:"epoch"`     // the journal epoch to write
	ChainKey     []byte           `json:"chain_key"` // HMAC key of that epoch
	StationChain [][]byte         `json:"station_chain"`
	SiteChain    [][]byte         `json:"site_chain"`
	Root         []byte           `json:"root"` // DER of the deployment root
	TimeMs       int64            `json:"time_ms"`
	// BackupRecipient is the tenant's key for backups (age1…), besides the venue's own; "" for none.
	BackupRecipient string `json:"backup_recipient,omitempty"`
}
