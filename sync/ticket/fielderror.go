package ticket

import "fmt"

// A FieldError says that one field of an input is not usable.
type FieldError struct {
	Field string // the field's name as the caller wrote it
	Want  string // what was expected, Chinese first
	Code  string // stable, for programs
}

// Error names the field and what was expected; it never repeats the value, which may be personal.
func (e *FieldError) Error() string {
	return fmt.Sprintf("%s：应为 %s [%s]", e.Field, e.Want, e.Code)
}
