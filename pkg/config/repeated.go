package config

// repeated is the value of a flag that can be given several times, like
// pflag's stringArray: that one takes 4 KiB for each such flag of each command
// as soon as the program starts, to show its default.
type repeated []string

// String is what help shows as the default: never a value, which is a secret.
func (r *repeated) String() string { return "" }

// Type is what completion knows flags by that can be repeated.
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
