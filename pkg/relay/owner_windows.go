package relay

// actAsOwner does nothing: a file's owner does not depend on who writes it.
func actAsOwner(*string, bool) (restore func() error, err error) {
	return func() error { return nil }, nil
}
