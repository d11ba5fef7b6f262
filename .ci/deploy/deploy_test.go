// Package deploy checks the examples in docs/deploy. It validates them against the schemas of
// the tools that read them, and runs their commands with the program.
package deploy

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	composetypes "github.com/compose-spec/compose-go/v2/types"
	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
)

const examples = "../../docs/deploy"

// program is the binary under test, built once.
var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "deploy")
	if err != nil {
		panic(err)
	}
	program = filepath.Join(dir, "mender-webhooks")
	build := exec.Command("go", "build", "-o", program, "./cmd/mender-webhooks")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		panic(fmt.Sprintf("%v\n%s", err, out))
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// TestKubernetes decodes the manifests with Kubernetes' own types, strictly: an
// unknown, repeated or mistyped field fails. It then checks what types cannot
// say, and runs the containers' commands.
func TestKubernetes(t *testing.T) {
	for _, name := range []string{"one-node.yaml", "cluster.yaml"} {
		t.Run(name, func(t *testing.T) {
			var pods []corev1.PodTemplateSpec
			var selectors []map[string]string
			for _, object := range decode(t, filepath.Join(examples, "kubernetes", name)) {
				switch o := object.(type) {
				case *appsv1.StatefulSet:
					pods = append(pods, withClaims(o))
					selectors = append(selectors, o.Spec.Selector.MatchLabels)
				case *appsv1.Deployment:
					pods = append(pods, o.Spec.Template)
					selectors = append(selectors, o.Spec.Selector.MatchLabels)
				case *corev1.Service:
					selectors = append(selectors, o.Spec.Selector)
				case *networkingv1.NetworkPolicy:
					selectors = append(selectors, o.Spec.PodSelector.MatchLabels)
				case *policyv1.PodDisruptionBudget:
					selectors = append(selectors, o.Spec.Selector.MatchLabels)
				default:
					t.Errorf("unexpected %T", object)
				}
			}
			if len(pods) != 1 || len(selectors) != 4 {
				t.Fatalf("%d pods and %d selectors", len(pods), len(selectors))
			}
			for _, s := range selectors {
				if len(s) == 0 || !labels.SelectorFromSet(s).Matches(labels.Set(pods[0].Labels)) {
					t.Errorf("the selector %v does not select the pods", s)
				}
			}
			checkPod(t, pods[0].Spec)
			runs(t, pods[0].Spec.Containers[0].Args, name == "one-node.yaml")
		})
	}
}

// withClaims returns the pods of a StatefulSet with the volumes that its claims
// add.
func withClaims(s *appsv1.StatefulSet) corev1.PodTemplateSpec {
	pod := s.Spec.Template
	for _, claim := range s.Spec.VolumeClaimTemplates {
		pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: claim.Name})
	}
	return pod
}

func decode(t *testing.T, name string) (objects []runtime.Object) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	decoder := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	for documents := yaml.NewYAMLReader(bufio.NewReader(f)); ; {
		document, err := documents.Read()
		if err == io.EOF {
			return objects
		}
		if err != nil {
			t.Fatal(err)
		}
		object, _, err := decoder.Decode(document, nil, nil)
		if err != nil {
			t.Fatalf("%v, in\n%s", err, document)
		}
		objects = append(objects, object)
	}
}

func checkPod(t *testing.T, pod corev1.PodSpec) {
	t.Helper()
	c := pod.Containers[0]
	named := func(port string) bool {
		return slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool { return p.Name == port })
	}
	for _, probe := range []*corev1.Probe{c.ReadinessProbe, c.LivenessProbe} {
		if !named(probe.HTTPGet.Port.StrVal) {
			t.Errorf("a probe asks the unnamed port %s", probe.HTTPGet.Port.StrVal)
		}
	}
	for _, m := range c.VolumeMounts {
		if !slices.ContainsFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Name == m.Name }) {
			t.Errorf("no volume %s", m.Name)
		}
	}
	for _, arg := range c.Args {
		_, path, _ := strings.Cut(arg, "=")
		if strings.HasPrefix(path, "/") && !slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return strings.HasPrefix(path, m.MountPath+"/") }) {
			t.Errorf("%s is in no volume", arg)
		}
	}
}

// TestCompose loads the file as Compose does, schema and all, and runs the
// commands of its services: a delivery reaches the application.
func TestCompose(t *testing.T) {
	options, err := cli.NewProjectOptions([]string{filepath.Join(examples, "compose/compose.yaml")}, cli.WithResolvedPaths(true))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range project.Services["prometheus"].Volumes {
		if v.Type == composetypes.VolumeTypeBind {
			if _, err := os.Stat(v.Source); err != nil {
				t.Error(err)
			}
		}
	}
	dir := t.TempDir()
	secret := filepath.Join(dir, "hook.secret")
	if err := os.WriteFile(secret, bytes.Repeat([]byte("a1"), 32), 0o600); err != nil {
		t.Fatal(err)
	}
	here := func(args []string, app string) []string {
		r := strings.NewReplacer("/run/secrets/hook", secret, "/var/lib/mender-webhooks", dir, "http://app:3000", app,
			"0.0.0.0:8090", "127.0.0.1:0", "0.0.0.0:3000", "127.0.0.1:0", "0.0.0.0:9190", "127.0.0.1:0")
		out := make([]string, len(args))
		for i, arg := range args {
			out[i] = r.Replace(arg)
		}
		return out
	}
	app := start(t, here(project.Services["app"].Command, "")...)
	listen := start(t, here(project.Services["listen"].Command, strings.TrimSuffix(app.addr, "/hook"))...)
	if out, err := exec.CommandContext(t.Context(), program, "trigger", "device-provisioned", "--to", listen.addr, "--secret-file", secret).CombinedOutput(); err != nil {
		t.Fatalf("trigger: %v\n%s", err, out)
	}
	if line := app.line(t); !strings.Contains(line, `"verdict":"valid"`) {
		t.Errorf("the application was sent %s", line)
	}
	checkQueries(t, get(t, listen.metrics+"/metrics"))
}

// checkQueries checks that the alerts and the dashboard ask for metrics that
// exist.
func checkQueries(t *testing.T, metrics string) {
	t.Helper()
	known := map[string]bool{}
	for _, line := range regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)$`).FindAllStringSubmatch(metrics, -1) {
		known[line[1]] = true
		if line[2] == "histogram" {
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				known[line[1]+suffix] = true
			}
		}
	}
	alerts, err := os.ReadFile(filepath.Join(examples, "prometheus/alerts.yml"))
	if err != nil {
		t.Fatal(err)
	}
	dashboard, err := os.ReadFile(filepath.Join(examples, "grafana/mender-webhooks.json"))
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(dashboard, &board); err != nil {
		t.Fatal(err)
	}
	queries := map[string]string{"alerts.yml": string(alerts)}
	for _, p := range board.Panels {
		for n, target := range p.Targets {
			queries[fmt.Sprintf("panel %q, query %d", p.Title, n)] = target.Expr
		}
	}
	metric := regexp.MustCompile(`\b(mender_webhooks|go)_\w+`)
	for where, query := range queries {
		names := metric.FindAllString(query, -1)
		if len(names) == 0 {
			t.Errorf("%s asks for no metric: %s", where, query)
		}
		for _, name := range names {
			if !known[name] {
				t.Errorf("%s asks for %s, which does not exist", where, name)
			}
		}
	}
}

// runs starts the command of a pod. With a store, it must become ready. Without
// its NATS servers, it must report that it is not ready.
func runs(t *testing.T, args []string, ready bool) {
	t.Helper()
	dir := t.TempDir()
	for name, data := range map[string][]byte{"secret": bytes.Repeat([]byte("a1"), 32), "user.creds": credentials(t)} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := strings.NewReplacer("/run/secrets/mender-webhooks", dir, "/var/lib/mender-webhooks", dir, "nats://nats:4222", "nats://127.0.0.1:1",
		"0.0.0.0:8090", "127.0.0.1:0", "0.0.0.0:9190", "127.0.0.1:0")
	here := make([]string, len(args))
	for i, arg := range args {
		here[i] = r.Replace(arg)
	}
	l := start(t, here...)
	resp, err := http.Get(l.metrics + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got := resp.StatusCode == http.StatusOK; got != ready {
		t.Errorf("/readyz answered %s", resp.Status)
	}
}

// credentials returns the credentials file of a NATS user unknown to any server.
func credentials(t *testing.T) []byte {
	t.Helper()
	account, err := nkeys.CreateAccount()
	if err != nil {
		t.Fatal(err)
	}
	user, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public, err := user.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.NewUserClaims(public).Encode(account)
	if err != nil {
		t.Fatal(err)
	}
	file, err := jwt.FormatUserConfig(token, seed)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// process is a running listener.
type process struct {
	addr, metrics string
	stdout        *bufio.Reader
}

func (p *process) line(t *testing.T) string {
	t.Helper()
	line, err := p.stdout.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return line
}

// start runs the program until the test ends, reads its address from its log, and
// checks that it ends cleanly.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = []string{"HOME=" + t.TempDir()}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		defer cancel()
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_, _ = io.Copy(io.Discard, stdout)
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v: %v", args, err)
		}
	})
	p := &process{stdout: bufio.NewReader(stdout)}
	wantMetrics := slices.ContainsFunc(args, func(a string) bool { return strings.HasPrefix(a, "--metrics") })
	var log bytes.Buffer
	lines := bufio.NewScanner(stderr)
	for p.addr == "" || wantMetrics && p.metrics == "" {
		if !lines.Scan() {
			t.Fatalf("%v does not listen:\n%s", args, log.String())
		}
		fmt.Fprintln(&log, lines.Text())
		for word := range strings.FieldsSeq(lines.Text()) {
			word = strings.TrimRight(word, ";,.\"")
			switch {
			case !strings.HasPrefix(word, "http://127.0.0.1:"):
			case strings.HasSuffix(word, "/metrics"):
				p.metrics = strings.TrimSuffix(word, "/metrics")
			case p.addr == "":
				p.addr = word
			}
		}
	}
	go func() { _, _ = io.Copy(io.Discard, stderr) }()
	return p
}

func get(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
