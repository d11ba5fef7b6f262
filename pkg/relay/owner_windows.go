package relay

// actAsOwner does nothing, because writing a file on Windows does not change its owner.
func actAsOwner(*string, bool) (restore func() error, err error) {
	return func() error { return nil }, nil
}
