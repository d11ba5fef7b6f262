// Command image makes the container image of a release from the binaries that
// goreleaser left in dist: nothing but the program, certificate authorities, and
// a user who is not root. It needs no container engine and no base image, and
// the same binaries give the same bytes.
//
//	go -C .ci/image run . [-dist DIR] [-push REPOSITORY]
//
// It writes an OCI image layout to dist/image. With -push it also pushes the
// image, tagged with the version, and with latest unless it is a prerelease.
package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

const (
	user = 65532 // the uid and gid that images without root agree on
	home = "/var/lib/mender-webhooks"
)

func main() {
	dist := flag.String("dist", "../../dist", "the `DIR` that goreleaser wrote")
	push := flag.String("push", "", "push to this `REPOSITORY`, such as registry.example/team/mender-webhooks")
	flag.Parse()
	if err := run(*dist, *push); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(dist, push string) error {
	var meta metadata
	if err := readJSON(filepath.Join(dist, "metadata.json"), &meta); err != nil {
		return err
	}
	var err error
	if meta.Date, err = commitTime(filepath.Dir(dist), meta.Commit); err != nil {
		return err
	}
	binaries, err := linuxBinaries(dist)
	if err != nil {
		return err
	}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, b := range binaries {
		image, err := build(meta, b, filepath.Dir(dist))
		if err != nil {
			return fmt.Errorf("%s: %w", b.Path, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: b.platform()}})
	}
	out := filepath.Join(dist, "image")
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	// One image, named, which is an index of platforms: so engines pick theirs.
	named := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex), mutate.IndexAddendum{Add: index, Descriptor: v1.Descriptor{
		Annotations: map[string]string{"org.opencontainers.image.ref.name": tag(meta.Version)},
	}})
	if _, err := layout.Write(out, named); err != nil {
		return err
	}
	digest, err := index.Digest()
	if err != nil {
		return err
	}
	fmt.Printf("%s: %d platforms, %s\n", out, len(binaries), digest)
	if push == "" {
		return nil
	}
	return pushIndex(index, push, meta.Version)
}

// metadata is what goreleaser wrote about the release.
type metadata struct {
	Version string    `json:"version"`
	Commit  string    `json:"commit"`
	Date    time.Time `json:"-"` // of the commit
}

// commitTime returns the time of a commit. The time of goreleaser's run would make each
// build of the same commit another image.
func commitTime(repository, commit string) (time.Time, error) {
	out, err := exec.Command("git", "-C", repository, "show", "-s", "--format=%cI", commit).Output()
	if err != nil {
		return time.Time{}, fmt.Errorf("the time of commit %s: %w", commit, err)
	}
	return time.Parse(time.RFC3339, strings.TrimSpace(string(out)))
}

// binary is one of goreleaser's artifacts.
type binary struct {
	Path   string `json:"path"`
	Type   string `json:"type"`
	GOOS   string `json:"goos"`
	GOARCH string `json:"goarch"`
	GOARM  string `json:"goarm"`
}

func (b binary) platform() *v1.Platform {
	p := &v1.Platform{OS: b.GOOS, Architecture: b.GOARCH}
	if b.GOARM != "" {
		p.Variant = "v" + b.GOARM
	}
	return p
}

func linuxBinaries(dist string) ([]binary, error) {
	var all, linux []binary
	if err := readJSON(filepath.Join(dist, "artifacts.json"), &all); err != nil {
		return nil, err
	}
	for _, b := range all {
		if b.Type == "Binary" && b.GOOS == "linux" {
			linux = append(linux, b)
		}
	}
	if len(linux) == 0 {
		return nil, errors.New("no binary for Linux in dist: run goreleaser first")
	}
	return linux, nil
}

func readJSON(name string, into any) error {
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, into)
}

// build makes the image for one platform; top is the folder of the project.
func build(meta metadata, b binary, top string) (v1.Image, error) {
	root, err := rootLayer(meta.Date, top)
	if err != nil {
		return nil, err
	}
	program, err := os.ReadFile(filepath.Join(top, b.Path))
	if err != nil {
		return nil, err
	}
	app, err := layer(meta.Date, []file{{name: "usr/bin/mender-webhooks", mode: 0o755, data: program}})
	if err != nil {
		return nil, err
	}
	image := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	image = mutate.ConfigMediaType(image, types.OCIConfigJSON)
	image, err = mutate.Append(image,
		mutate.Addendum{Layer: root, MediaType: types.OCILayer, History: v1.History{CreatedBy: "authorities, user, licenses"}},
		mutate.Addendum{Layer: app, MediaType: types.OCILayer, History: v1.History{CreatedBy: "mender-webhooks " + meta.Version}})
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	p := b.platform()
	config.OS, config.Architecture, config.Variant = p.OS, p.Architecture, p.Variant
	config.Created = v1.Time{Time: meta.Date.UTC()}
	config.Config = v1.Config{
		User:       fmt.Sprintf("%d:%d", user, user),
		WorkingDir: home,
		Env:        []string{"PATH=/usr/bin", "HOME=" + home},
		Entrypoint: []string{"/usr/bin/mender-webhooks"},
		Labels:     labels(meta),
	}
	return mutate.ConfigFile(image, config)
}

func labels(meta metadata) map[string]string {
	const url = "https://github.com/mender-webhooks/mender-webhooks"
	const prefix = "org.opencontainers.image."
	return map[string]string{
		prefix + "title":         "mender-webhooks",
		prefix + "description":   "Manage Mender webhooks and receive their events",
		prefix + "url":           url,
		prefix + "source":        url,
		prefix + "documentation": url + "/blob/main/docs/production.md",
		prefix + "licenses":      "Apache-2.0",
		prefix + "version":       meta.Version,
		prefix + "revision":      meta.Commit,
		prefix + "created":       meta.Date.UTC().Format(time.RFC3339),
	}
}

// file is a file of a layer, or a folder if its name ends with a slash.
type file struct {
	name  string
	mode  int64
	owner int
	data  []byte
}

func rootLayer(date time.Time, top string) (v1.Layer, error) {
	licence, err := os.ReadFile(filepath.Join(top, "LICENSE"))
	if err != nil {
		return nil, err
	}
	notices, err := os.ReadFile(filepath.Join(top, "bin/third-party.txt"))
	if err != nil {
		return nil, err
	}
	const doc = "usr/share/doc/mender-webhooks/"
	files := []file{
		{name: "etc/passwd", mode: 0o644, data: fmt.Appendf(nil, "root:x:0:0:root:/:/none\nmender-webhooks:x:%d:%d::%s:/none\n", user, user, home)},
		{name: "etc/group", mode: 0o644, data: fmt.Appendf(nil, "root:x:0:\nmender-webhooks:x:%d:\n", user)},
		{name: "etc/ssl/certs/ca-certificates.crt", mode: 0o644, data: authorities()},
		{name: "tmp/", mode: 0o1777},
		{name: doc + "LICENSE", mode: 0o644, data: licence},
		{name: doc + "third-party.txt", mode: 0o644, data: notices},
		{name: "var/lib/mender-webhooks/", mode: 0o700, owner: user},
	}
	return layer(date, files)
}

// authorities returns Mozilla's roots, as the pinned module has them. Those
// that are trusted only for older certificates are left out, since the bundle
// cannot express that.
func authorities() []byte {
	var out bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			_ = pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}) // a Buffer takes everything
		}
	}
	return out.Bytes()
}

func layer(date time.Time, files []file) (v1.Layer, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, f := range files {
		h := &tar.Header{Name: f.name, Mode: f.mode, Uid: f.owner, Gid: f.owner, Size: int64(len(f.data)), ModTime: date.UTC().Truncate(time.Second)}
		if h.Typeflag = tar.TypeReg; strings.HasSuffix(f.name, "/") {
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.data); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(out.Bytes())), nil },
		tarball.WithMediaType(types.OCILayer))
}

// tag returns the image's tag for a version: '+' is not allowed in one.
func tag(version string) string { return strings.ReplaceAll(version, "+", "-") }

func pushIndex(index v1.ImageIndex, repository, version string) error {
	tags := []string{tag(version)}
	if !strings.Contains(version, "-") {
		tags = append(tags, "latest")
	}
	for _, t := range tags {
		ref, err := name.NewTag(repository + ":" + t)
		if err != nil {
			return err
		}
		if err := remote.WriteIndex(ref, index, remote.WithAuthFromKeychain(authn.DefaultKeychain)); err != nil {
			return fmt.Errorf("push %s: %w", ref, err)
		}
		fmt.Println("pushed", ref)
	}
	return nil
}
