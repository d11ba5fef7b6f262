package output

import "testing"

func TestMask(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"", ""},
		{"https://example.com/hook", "https://example.com/hook"},
		{"https://example.com/hook?page=2&sort=name", "https://example.com/hook?page=2&sort=name"},
		{"https://user:pass@example.com/", "https://user:***@example.com/"},
		{"https://user:p@ss:w@example.com/", "https://user:***@example.com/"},
		{"https://tok3n@example.com/", "https://***@example.com/"},
		{"https://example.com/a@b", "https://example.com/a@b"},
		{"https://h/x?token=abc", "https://h/x?token=***"},
		{"https://h/x?a=1&api_key=abc&b=2", "https://h/x?a=1&api_key=***&b=2"},
		{"https://h/x?ACCESS_TOKEN=abc#frag", "https://h/x?ACCESS_TOKEN=***#frag"},
		{"https://h/x#id_token=abc", "https://h/x#id_token=***"},
		{"https://h/x?to%6ben=abc", "https://h/x?to%6ben=***"},
		{"https://h/x?X-Amz-Signature=abc&X-Amz-Date=1", "https://h/x?X-Amz-Signature=***&X-Amz-Date=1"},
		{"https://h/x?sig=a%3D;b&code=c", "https://h/x?sig=***&code=***"},
		{"https://h/x?token=", "https://h/x?token="},
		{"https://h/x?keyboard=de&page=1", "https://h/x?keyboard=de&page=1"},
		{"example.com/x?secret=abc", "example.com/x?secret=***"},
		{
			`Post "https://u:p@host/x?token=abc": EOF`,
			`Post "https://u:***@host/x?token=***": EOF`,
		},
		{
			`Post "https://host/x?token=a\"b&n=1": dial tcp: lookup host: no such host`,
			`Post "https://host/x?token=***&n=1": dial tcp: lookup host: no such host`,
		},
		{
			"from https://u:p@a/?key=1 to https://v:q@b/?n=2",
			"from https://u:***@a/?key=*** to https://v:***@b/?n=2",
		},
		{"mail to a@b.example, x=1", "mail to a@b.example, x=1"},
	} {
		if got := MaskText(test.in); got != test.want {
			t.Errorf("MaskText(%q) = %q, want %q", test.in, got, test.want)
		}
		if got := MaskURL(MaskURL(test.in)); got != test.want {
			t.Errorf("masked twice, %q is %q, want %q", test.in, got, test.want)
		}
	}
}
