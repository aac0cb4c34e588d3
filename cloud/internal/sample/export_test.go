package sample

// For the tests of this package only.
var (
	StartOpen   = startOpen
	StartClosed = startClosed
	FourByte    = fourByte
)

// Times of a session around its start.
const (
	OpensBefore = opensBefore
	LastEntry   = lastEntry
	Length      = length
	MustAdmit   = mustAdmit
)
