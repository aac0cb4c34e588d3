package custody

// Insert lets the conformance suite make tickets that are not yet granted.
var Insert = insert
