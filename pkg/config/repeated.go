package config

// repeated is the value of a flag that can be repeated. Unlike pflag's stringArray, it
// does not allocate 4 KiB per flag and command at the start of the program.
type repeated []string

// String returns the default for help, never a value, which is secret.
func (r *repeated) String() string { return "" }

// Type tells completion that the flag can be repeated.
func (r *repeated) Type() string { return "stringArray" }

func (r *repeated) Set(text string) error { return r.Append(text) }

func (r *repeated) Append(text string) error {
	*r = append(*r, text)
	return nil
}

func (r *repeated) Replace(texts []string) error {
	*r = texts
	return nil
}

func (r *repeated) GetSlice() []string { return *r }
