package listenfile

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mender-webhooks/mender-webhooks/pkg/relay"
	"github.com/mender-webhooks/mender-webhooks/pkg/target/exectarget"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
	"github.com/mender-webhooks/mender-webhooks/pkg/yamlfile"
)

// testMachine has the variables, files, programs and profiles of the tests.
func testMachine() machine {
	env := map[string]string{"SECRET": "00ff00ff", "TOKEN": "Bearer hunter2", "EMPTY": " ", "BREAK": "a\x01hunter2", "WHSEC": whsec}
	files := map[string]string{
		"etc/acme.secret": "# old and new\n00ff00ff\n00ee00ee\n", "etc/lake.secret": whsec + "\n", "etc/hunter2.secret": "hunter2\n",
	}
	return machine{
		Sources: yamlfile.Sources{
			LookupEnv: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
			ReadFile: func(name string) ([]byte, error) {
				if text, ok := files[name]; ok {
					return []byte(text), nil
				}
				return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
			},
			Dir: "etc",
		},
		checkProgram: func(o exectarget.Options) error {
			if o.Program != "etc/open-ticket" && o.Program != "sendmail" {
				return fmt.Errorf("%s: %w", o.Program, fs.ErrNotExist)
			}
			return nil
		},
		checkAccess: func() error { return nil },
		checkProfile: func(name string) error {
			if name != "acme" {
				return fmt.Errorf("the config file has no profile %q", name)
			}
			return nil
		},
		checkURL: func(u *url.URL) error {
			if u.Port() == "8090" {
				return errors.New("events would loop")
			}
			return nil
		},
	}
}

const whsec = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"

const whole3 = `apiVersion: mender-webhooks/v1
endpoints:
  - name: acme
    path: /acme
    profile: acme
    secret: { file: acme.secret }
    subject_prefix: acme.mender
  - name: other
    path: /other
    secret: { env: SECRET }
routes:
  - name: inventory
    endpoint: acme
    forward_to: http://127.0.0.1:3000/hook
  - name: tickets
    endpoint: other
    from: oldest
    where: .type == "device-provisioned"
    on_error: skip
    exec: [./open-ticket, --now]
    env: [TOKEN]
    dead_on: [3]
  - name: lake
    endpoint: acme
    forward_to: https://collector.example/events
    as: standard-webhooks
    sign_with: { file: lake.secret }
    headers: { Authorization: { env: TOKEN }, X-Team: ops }
    concurrency: 8
    dead_on: []
    timeout: 1m30s
    max_age: 48h
    max_attempts: 20
    when_full: skip
`

func TestRead(t *testing.T) {
	t.Parallel()
	f, err := parse("etc/listen.yaml", []byte(whole3), testMachine())
	if err != nil {
		t.Fatal(err)
	}
	hook, _ := url.Parse("http://127.0.0.1:3000/hook")
	lake, _ := url.Parse("https://collector.example/events")
	secret, _ := webhook.ParseSecret("00ff00ff")
	endpoints := []Endpoint{
		{Name: "acme", Path: "/acme", Profile: "acme", SecretFile: "etc/acme.secret", SubjectPrefix: "acme.mender"},
		{Name: "other", Path: "/other", Secret: secret},
	}
	routes := []Route{
		{Name: "inventory", Endpoint: "acme", From: relay.FromNow, WhenFull: relay.Refuse, Concurrency: 1, ForwardTo: hook, As: Raw, Header: http.Header{}},
		{
			Name: "tickets", Endpoint: "other", From: relay.FromOldest, WhenFull: relay.Refuse, Concurrency: 1,
			Where: `.type == "device-provisioned"`, SkipErrors: true, Exec: []string{"etc/open-ticket", "--now"}, Env: []string{"TOKEN"}, DeadOn: []int{3},
		},
		{
			Name: "lake", Endpoint: "acme", From: relay.FromNow, WhenFull: relay.Skip, Concurrency: 8, ForwardTo: lake, As: StandardWebhooks,
			SignWith: []byte("012345678901234567890123"), Header: http.Header{"Authorization": {"Bearer hunter2"}, "X-Team": {"ops"}},
			DeadOn: []int{}, Timeout: 90 * time.Second, MaxAge: 48 * time.Hour, MaxAttempts: 20,
		},
	}
	if diff := cmp.Diff(endpoints, f.Endpoints, cmp.Comparer(func(a, b webhook.Secret) bool { return a == b })); diff != "" {
		t.Errorf("endpoints (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(routes, f.Routes); diff != "" {
		t.Errorf("routes (-want +got):\n%s", diff)
	}
	if shown := fmt.Sprintf("%v %+v %#v", f, *f, f); strings.Contains(shown, "hunter2") || strings.Contains(shown, "00ff") {
		t.Errorf("printing the file shows a secret: %s", shown)
	}
}

func TestReadWithoutEndpoints(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"apiVersion: mender-webhooks/v1\nroutes: []\n",
		"apiVersion: mender-webhooks/v1\nroutes:\n- name: a\n  forward_to: '3000'\n- name: b\n  exec: [sendmail]\n",
	} {
		f, err := parse("listen.yaml", []byte(text), testMachine())
		if err != nil || len(f.Endpoints) != 0 {
			t.Errorf("%v, endpoints %v, of\n%s", err, f, text)
		}
	}
}

// TestOnlyEndpointIsTheDefault finds that routes need not name the only endpoint.
func TestOnlyEndpointIsTheDefault(t *testing.T) {
	t.Parallel()
	f, err := parse("listen.yaml", []byte(`
apiVersion: mender-webhooks/v1
endpoints: [{ name: acme, path: /, secret: { env: SECRET } }]
routes: [{ name: a, forward_to: localhost:3000 }]`), testMachine())
	if err != nil || f.Routes[0].Endpoint != "acme" {
		t.Errorf("got %v, %v", f, err)
	}
}

// TestMistakes has each mistake of a file, with its place. Every file has further text, so
// that its mistake is the only one.
func TestMistakes(t *testing.T) {
	t.Parallel()
	const (
		version   = "apiVersion: mender-webhooks/v1\n"
		oneRoute  = version + "routes:\n- name: a\n  forward_to: localhost:3000\n  "
		program   = version + "routes:\n- name: a\n  exec: [sendmail]\n  "
		endpoint  = version + "routes: []\nendpoints:\n- name: acme\n  secret: {env: SECRET}\n  "
		endpoints = version + "endpoints:\n- {name: a, path: /a, secret: {env: SECRET}}\n- {name: b, path: /b, secret: {env: SECRET}}\nroutes:\n"
	)
	tests := map[string]struct{ text, want string }{
		"empty":              {"", "f: the file is empty: it must begin with apiVersion: mender-webhooks/v1"},
		"no YAML":            {"a: [", "f:1:4: this is not YAML: sequence end token ']' not found"},
		"a list":             {"- a", "f:1:1: the file must have keys and values, such as apiVersion: …"},
		"two documents":      {version + "routes: []\n---\na: b", "f:4:1: a second document begins here: the file must have only one"},
		"anchor":             {version + "routes: &a []", "f:2:9: anchors, aliases, tags and complex keys are not supported; write the value itself"},
		"no version":         {"routes: []", "f:1:1: apiVersion is missing: it must be mender-webhooks/v1"},
		"another version":    {"apiVersion: v2\nroutes: []", "f:1:13: apiVersion: must be mender-webhooks/v1"},
		"no routes":          {version, "f:1:1: routes is missing: it must be a list, with - before each entry; write an empty list as []"},
		"routes are no list": {version + "routes: {}", "f:2:9: routes: must be a list, with - before each entry; write an empty list as []"},
		"no endpoints":       {version + "endpoints: []\nroutes: []", "f:2:12: endpoints: must be a list with at least one entry, with - before each"},
		"unknown key":        {version + "routes: []\nrutes: []", `f:3:1: unknown key "rutes"; did you mean routes?`},
		"duplicate key":      {version + "routes: []\nroutes: []", `f:3:1: this is not YAML: mapping key "routes" already defined at [2:1]`},
		"empty route":        {version + "routes:\n- {}", "f:3:3: name is missing: it must be up to 32 lower-case letters, digits, - and _\nf:3:3: forward_to or exec is missing: a route must have one of them"},
		"route is text":      {version + "routes:\n- a", "f:3:3: routes: an entry must have keys and values, beginning with name:"},

		"endpoint name":       {version + "routes: []\nendpoints:\n- {path: /a, name: Acme, secret: {env: SECRET}}", "f:4:20: name: must be up to 32 lower-case letters, digits, - and _"},
		"endpoint jetstream":  {version + "routes: []\nendpoints:\n- {path: /a, name: jetstream, secret: {env: SECRET}}", `f:4:20: name: invalid endpoint "jetstream": this is the name of a folder in each store`},
		"endpoint has no key": {version + "routes: []\nendpoints:\n- {name: acme, path: /a}", "f:4:3: secret is missing: it must be a reference, because the file never contains it: { env: VARIABLE } or { file: PATH }"},
		"endpoint twice":      {version + "routes: []\nendpoints:\n- {name: a, path: /a, secret: {env: SECRET}}\n- {name: a, path: /b, secret: {env: SECRET}}", "f:5:10: name: a is given twice"},
		"path twice":          {version + "routes: []\nendpoints:\n- {name: a, path: /a, secret: {env: SECRET}}\n- {name: b, path: /a, secret: {env: SECRET}}", "f:5:19: path: /a is given twice"},
		"prefix twice":        {version + "routes: []\nendpoints:\n- {name: a, path: /a, secret: {env: SECRET}, subject_prefix: x}\n- {name: b, path: /b, secret: {env: SECRET}, subject_prefix: x}", "f:5:62: subject_prefix: x is given twice"},
		"no path":             {version + "routes: []\nendpoints:\n- {name: a, path: /a, secret: {env: SECRET}}\n- {name: b, secret: {env: SECRET}}", "f:5:3: path is missing: it must begin with a slash and have no query or escapes, such as /acme"},
		"relative path":       {endpoint + "path: acme", "f:6:9: path: must begin with a slash and have no query or escapes, such as /acme"},
		"path with query":     {endpoint + "path: /acme?x", "f:6:9: path: must begin with a slash and have no query or escapes, such as /acme"},
		"unknown profile":     {endpoint + "path: /a\n  profile: acne", `f:7:12: profile: the config file has no profile "acne"`},
		"subject prefix":      {endpoint + "path: /a\n  subject_prefix: a.*", "f:7:19: subject_prefix: must be words of letters, digits, - and _, with dots between them, such as acme.mender"},
		"secret in the file":  {version + "routes: []\nendpoints:\n- {name: a, path: /, secret: hunter2}", "f:4:30: secret: must be a reference, because the file never contains it: { env: VARIABLE } or { file: PATH }"},
		"secret with $":       {version + "routes: []\nendpoints:\n- {name: a, path: /, secret: {env: $HOOK}}", "f:4:30: secret: write only the variable's name, without $"},
		"secret not set":      {version + "routes: []\nendpoints:\n- {name: a, path: /, secret: {env: NONE}}", "f:4:36: secret: variable NONE: it is not set"},
		"secret is empty":     {version + "routes: []\nendpoints:\n- {name: a, path: /, secret: {env: EMPTY}}", "f:4:36: secret: variable EMPTY: it is empty, which is what a missing CI secret looks like"},
		"secret is missing":   {version + "routes: []\nendpoints:\n- {name: a, path: /, secret: {file: b.secret}}", "f:4:37: secret: file b.secret: file does not exist"},
		"secret is no secret": {version + "routes: []\nendpoints:\n- {name: a, path: /, secret: {file: hunter2.secret}}", "f:4:37: secret: file hunter2.secret: line 1: the secret is not hexadecimal: it must be pairs of the digits 0-9 and a-f, such as 00ff"},

		"route name":            {version + "routes:\n- {name: A b, forward_to: localhost:1}", "f:3:10: name: must be up to 32 lower-case letters, digits, - and _"},
		"route twice":           {version + "routes:\n- {name: a, forward_to: localhost:1}\n- {name: a, forward_to: localhost:2}", "f:4:10: name: a is given twice"},
		"endpoint missing":      {endpoints + "- {name: r, forward_to: localhost:1}", "f:6:3: endpoint is missing: there are several endpoints"},
		"endpoint unknown":      {endpoints + "- {name: r, endpoint: xyz, forward_to: localhost:1}", `f:6:23: endpoint: there is no endpoint "xyz"`},
		"endpoint misspelled":   {version + "endpoints: [{name: acme, path: /, secret: {env: SECRET}}]\nroutes:\n- {name: r, endpoint: acne, forward_to: localhost:1}", `f:4:23: endpoint: there is no endpoint "acne"; did you mean acme?`},
		"endpoint without any":  {oneRoute + "endpoint: acme", "f:5:13: endpoint: the file has no endpoints"},
		"no destination":        {version + "routes:\n- {name: a}", "f:3:3: forward_to or exec is missing: a route must have one of them"},
		"misspelled target":     {version + "routes:\n- {name: a, forwardto: localhost:1}", `f:3:13: unknown key "forwardto"; did you mean forward_to?`},
		"both destinations":     {oneRoute + "exec: [sendmail]", "f:5:9: exec: the route has forward_to already; write another route for the program"},
		"URL is a number":       {version + "routes:\n- {name: a, forward_to: 3000}", "f:3:25: forward_to: must be the application's URL; put it in quotes to make it text"},
		"URL":                   {version + "routes:\n- {name: a, forward_to: 'ftp://user:hunter2@b/'}", "f:3:25: forward_to: the URL must begin with https:// or http://"},
		"loop":                  {version + "routes:\n- {name: a, forward_to: 'localhost:8090'}", "f:3:25: forward_to: events would loop"},
		"from":                  {oneRoute + "from: start", "f:5:9: from: must be now or oldest"},
		"filter":                {oneRoute + "where: .type = =", "f:5:10: where: line 1, column 9: unexpected token \"=\""},
		"filter with env":       {oneRoute + "where: env.TOKEN", "f:5:10: where: env and $ENV are not available: an expression sees only the event"},
		"filter is no text":     {oneRoute + "where: true", "f:5:10: where: must be a jq expression; put it in quotes to make it text"},
		"on_error":              {oneRoute + "where: .a\n  on_error: ignore", "f:6:13: on_error: must be dead-letter or skip"},
		"on_error, no filter":   {oneRoute + "on_error: skip", "f:5:13: on_error: only with where"},
		"format":                {oneRoute + "as: xml", "f:5:7: as: must be raw, cloudevents or standard-webhooks"},
		"unsigned":              {oneRoute + "as: standard-webhooks", "f:3:3: sign_with is missing: as: standard-webhooks requires { env: VARIABLE } or { file: PATH } with the route's own secret"},
		"signed raw":            {oneRoute + "sign_with: {env: WHSEC}", "f:5:14: sign_with: only with as: standard-webhooks"},
		"signed by Mender's":    {oneRoute + "as: standard-webhooks\n  sign_with: {file: acme.secret}", "f:6:21: sign_with: file acme.secret: it has 2 lines: must have one, so leave only the newest secret in it"},
		"signed badly":          {oneRoute + "as: standard-webhooks\n  sign_with: {env: SECRET}", "f:6:20: sign_with: variable SECRET: the secret does not begin with whsec_"},
		"header name":           {oneRoute + "headers: {a b: c}", `f:5:18: headers: "a b" is not the name of a header`},
		"header of the event":   {oneRoute + "headers: {X-MEN-Signature: c}", "f:5:30: headers: the header X-Men-Signature cannot be set: the event and its format determine it"},
		"header twice":          {oneRoute + "headers: {x-a: c, X-A: d}", "f:5:18: headers: the header is given twice"},
		"header is a number":    {oneRoute + "headers: {X-A: 7}", "f:5:18: X-A: must be text without control characters, { env: VARIABLE } or { file: PATH }"},
		"header not set":        {oneRoute + "headers: {X-A: {env: NONE}}", "f:5:24: X-A: variable NONE: it is not set"},
		"header with a control": {oneRoute + "headers: {X-A: {env: BREAK}}", "f:5:18: headers: the header X-A has a line break or another control character"},
		"env of a URL":          {oneRoute + "env: [TOKEN]", "f:5:8: env: only with exec"},
		"timeout":               {oneRoute + "timeout: 30", "f:5:12: timeout: must be a duration, such as 500ms, 30s or 2m; put it in quotes to make it text"},
		"timeout 0":             {oneRoute + "timeout: 0s", "f:5:12: timeout: must be a duration, such as 500ms, 30s or 2m"},
		"max_age":               {oneRoute + "max_age: 99999999999h", "f:5:12: max_age: too long"},
		"concurrency":           {oneRoute + "concurrency: 0", "f:5:16: concurrency: must be a whole number from 1 to 1000"},
		"concurrency is text":   {oneRoute + "concurrency: many", "f:5:16: concurrency: must be a whole number from 1 to 1000"},
		"max_attempts":          {oneRoute + "max_attempts: 1.5", "f:5:17: max_attempts: must be a whole number of at least 1"},
		"when_full":             {oneRoute + "when_full: drop", "f:5:14: when_full: must be refuse or skip"},
		"dead_on 200":           {oneRoute + "dead_on: [200]", "f:5:13: dead_on: invalid status 200: must be from 300 to 599, since an event is accepted with a status below 300"},
		"dead_on twice":         {oneRoute + "dead_on: [410, 410]", "f:5:18: dead_on: must be a list of statuses from 300 to 599, or of exit codes from 1 to 255, without duplicates"},

		"exec is text":         {version + "routes:\n- {name: a, exec: sendmail}", "f:3:19: exec: must be a list of the program and its arguments, such as [./open-ticket]"},
		"exec is empty":        {version + "routes:\n- {name: a, exec: []}", "f:3:19: exec: must be a list of the program and its arguments, such as [./open-ticket]"},
		"program missing":      {version + "routes:\n- {name: a, exec: [./missing]}", "f:3:19: exec: etc/missing: file does not exist"},
		"format of a program":  {program + "as: raw", "f:5:7: as: only with forward_to"},
		"headers of a program": {program + "headers: {a: b}", "f:5:12: headers: only with forward_to"},
		"key of a program":     {program + "sign_with: {env: WHSEC}", "f:5:14: sign_with: only with forward_to"},
		"exit code":            {program + "dead_on: [410]", "f:5:13: dead_on: 410 is not an exit code, which must be from 1 to 255"},
		"env":                  {program + "env: [TOKEN, A B]", "f:5:16: env: must be a list of names of variables without duplicates, such as [TICKET_TOKEN]"},
		"env not set":          {program + "env: [NONE]", "f:5:9: env: variable NONE: it is not set"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := parse("f", []byte(test.text), testMachine())
			var wrong *yamlfile.Error
			if !errors.As(err, &wrong) {
				t.Fatalf("got %v, want a *yamlfile.Error, of\n%s", err, test.text)
			}
			got := strings.Join(wrong.Lines(), "\n")
			if got != test.want {
				t.Errorf("got\n%s\nwant\n%s\nof\n%s", got, test.want, test.text)
			}
			if strings.Contains(got, "hunter2") && !strings.Contains(test.want, "hunter2.secret") {
				t.Errorf("it shows a secret: %s", got)
			}
		})
	}
}

// TestAllMistakesAtOnce finds that a file's mistakes are all reported, in its order.
func TestAllMistakesAtOnce(t *testing.T) {
	t.Parallel()
	_, err := parse("f", []byte("apiVersion: v0\nroutes:\n- name: B\n  exec: [nothing]\n  form: now\n- name: c\n  where: '!'\n  forward_to: x\n"), testMachine())
	var wrong *yamlfile.Error
	if !errors.As(err, &wrong) {
		t.Fatal(err)
	}
	var places []string
	for _, p := range wrong.Problems {
		places = append(places, fmt.Sprint(p.Line))
	}
	if got := strings.Join(places, " "); got != "1 3 4 5 7 8" {
		t.Errorf("mistakes in the lines %s:\n%s", got, strings.Join(wrong.Lines(), "\n"))
	}
}

func TestClusterRequiresPrefixes(t *testing.T) {
	t.Parallel()
	m := testMachine()
	m.cluster = true
	_, err := parse("f", []byte(whole3), m)
	if err == nil || err.Error() != "f:8:5: subject_prefix is missing: on a cluster, each of several endpoints requires one, such as other.mender" {
		t.Errorf("got %v", err)
	}
	one := "apiVersion: mender-webhooks/v1\nendpoints: [{name: acme, path: /, secret: {env: SECRET}}]\nroutes: []"
	if _, err := parse("f", []byte(one), m); err != nil {
		t.Errorf("with one endpoint: %v", err)
	}
}

func TestPathsOfPrograms(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ dir, name, want string }{
		{"etc", "./a", "etc/a"}, {"etc", "../b/a", "b/a"}, {"etc", "a", "a"}, {"etc", "/b/a", "/b/a"},
		{".", "./a", "./a"}, {"", "./a", "./a"}, {".", "a", "a"},
	} {
		r := &reader{machine: machine{Sources: yamlfile.Sources{Dir: test.dir}}}
		if got := filepath.ToSlash(r.programPath(test.name)); got != test.want {
			t.Errorf("%s in %q: got %s, want %s", test.name, test.dir, got, test.want)
		}
	}
}

func TestUnsafeFile(t *testing.T) {
	t.Parallel()
	m := testMachine()
	m.checkAccess = func() error { return errors.New("it has mode 0666") }
	const version = "apiVersion: mender-webhooks/v1\n"
	if _, err := parse("f", []byte(version+"routes: [{name: a, forward_to: localhost:1}]"), m); err != nil {
		t.Errorf("without a program: %v", err)
	}
	_, err := parse("f", []byte(version+"routes: [{name: a, exec: [sendmail]}, {name: b, exec: [sendmail]}]"), m)
	if err == nil || err.Error() != "f:2:26: exec: it has mode 0666" {
		t.Errorf("with programs: %v", err)
	}
}

func TestSince(t *testing.T) {
	t.Parallel()
	read := func(text string) *File {
		f, err := parse("etc/listen.yaml", []byte(text), testMachine())
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	old := read(whole3)
	now := read(strings.NewReplacer("X-Team: ops", "X-Team: dev", "name: inventory", "name: stock", "path: /other", "path: /else").Replace(whole3))
	endpoints, routes := now.Since(old)
	if want := (Difference{Changed: []string{"other"}}); !cmp.Equal(endpoints, want) {
		t.Errorf("endpoints: %+v", endpoints)
	}
	if want := (Difference{Added: []string{"acme/stock"}, Removed: []string{"acme/inventory"}, Changed: []string{"acme/lake"}}); !cmp.Equal(routes, want) {
		t.Errorf("routes: %+v", routes)
	}
	if endpoints, routes = read(whole3).Since(old); !cmp.Equal(endpoints, Difference{}) || !cmp.Equal(routes, Difference{}) {
		t.Errorf("the same file differs: %+v, %+v", endpoints, routes)
	}
}
