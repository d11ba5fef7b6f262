package provision

import (
	"slices"
	"strings"
	"testing"
)

// TestNamesForProfiles checks that hostile names of profiles lead to harmless, different
// names of files and variables, and ordinary ones stay as they are.
func TestNamesForProfiles(t *testing.T) {
	profiles := []string{
		"../../etc/passwd", "/abs", "..", ".hidden", "-rf", "CON", "lpt1.x", "a b", "a/b", "a_b", "Lab", "lab",
		"müller", "\x1b[31m", "x\n y", strings.Repeat("n", 5000), `C:\x`, "customer-a", "eu.1",
	}
	options, names := ForProfiles(profiles)
	seen := map[string]bool{}
	for i, name := range names {
		suffix := options[i].Suffix
		if fileName(name) != name || len(name) > 250 || name == "" || seen[strings.ToLower(name)] || seen[suffix] {
			t.Errorf("profile %q: file %q, variables end in %q", profiles[i], name, suffix)
		}
		if strings.Trim(suffix, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" || options[i].Profile != profiles[i] {
			t.Errorf("profile %q: options %q, %q", profiles[i], options[i].Profile, suffix)
		}
		seen[strings.ToLower(name)], seen[suffix] = true, true
	}
	for _, name := range []string{"a_b", "Lab", "customer-a", "eu.1"} {
		if names[slices.Index(profiles, name)] != name {
			t.Errorf("%s became %s", name, names[slices.Index(profiles, name)])
		}
	}
	if i := slices.Index(profiles, "customer-a"); options[i].Suffix != "_CUSTOMER_A" {
		t.Errorf("got %s", options[i].Suffix)
	}
}
