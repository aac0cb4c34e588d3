// Package mutant has the switches of the mistakes that are planted on purpose, to see that the
// simulation finds them (`make sim-mutants`). In a normal build On is the constant false and the planted
// code is not even compiled in; with the build tag mutants one mistake at a time can be made active.
// The package knows nothing of what a mistake does.
package mutant

// Names of the mistakes. Each stands in exactly one rule; where a store of memory and a real one keep
// the same rule, both carry it under one name.
const (
	// The cloud's end.
	HubReadBeforeReserve  = "hub-read-before-reserve"  // R2: the page is read first, then reserved
	HubSentNotStored      = "hub-sent-not-stored"      // R2: the reservation is not made durable
	HubRowPosition        = "hub-row-position"         // R2: the row's position stands for its grant
	HubIgnoreGeneration   = "hub-ignore-generation"    // a fact of an older generation counts
	HubWithdrawNewGen     = "hub-withdraw-new-gen"     // R1: a recall is withdrawn by a new generation
	HubReleaseWhenCalled  = "hub-release-when-called"  // R1: a release without an open recall is ignored
	HubCursorFromReserved = "hub-cursor-from-reserved" // the next cursor lies behind rows that were left out
	HubEcho               = "hub-echo"                 // a station's own facts come back to it
	HubAckBeforeStore     = "hub-ack-before-store"     // an upload is acknowledged before it is stored
	HubReuseEpoch         = "hub-reuse-epoch"          // a new machine goes on with the old one's epoch
	HubGrantOutstanding   = "hub-grant-outstanding"    // R1: granted anew while a generation is out

	// The station's end.
	StationAnswerEarly     = "station-answer-early"      // R4: the gate hears before the fact is durable
	StationCursorFirst     = "station-cursor-first"      // R3: the cursor does not wait for the answers
	StationOwnFactsOnly    = "station-own-facts-only"    // R3: it waits only for answers of its own batch
	StationCursorOnFailure = "station-cursor-on-failure" // the cursor passes a batch that failed
	StationDecideUnlocked  = "station-decide-unlocked"   // R4: deciding and appending are two steps
	StationReleaseUsed     = "station-release-used"      // R5: what is used is released as unused
	StationIgnoreGen       = "station-ignore-gen"        // R4: an older generation is applied again
	StationForgetAnswered  = "station-forget-answered"   // an answer for a grant never seen is not remembered
	StationDropNonce       = "station-drop-nonce"        // R12: a repeated nonce is decided anew
	StationReadmitPassage  = "station-lapse-passed"      // section 4: a lapse gives back a passage that was seen
	StationUploadTrusts    = "station-upload-trusts"     // an upload that failed counts as stored
)

// All lists the mistakes in the order in which they are tried.
var All = []string{
	HubReadBeforeReserve, HubSentNotStored, HubRowPosition, HubIgnoreGeneration, HubWithdrawNewGen, HubReleaseWhenCalled,
	HubCursorFromReserved, HubEcho, HubAckBeforeStore, HubReuseEpoch, HubGrantOutstanding,
	StationAnswerEarly, StationCursorFirst, StationOwnFactsOnly, StationCursorOnFailure, StationDecideUnlocked,
	StationReleaseUsed, StationIgnoreGen, StationForgetAnswered, StationDropNonce, StationReadmitPassage, StationUploadTrusts,
}

// Ledger lists those that are also planted in the station's ledger.
var Ledger = []string{
	StationAnswerEarly, StationCursorFirst, StationOwnFactsOnly, StationCursorOnFailure, StationDecideUnlocked,
	StationReleaseUsed, StationIgnoreGen, StationForgetAnswered, StationDropNonce, StationReadmitPassage,
}
