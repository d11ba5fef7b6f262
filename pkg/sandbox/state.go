package sandbox

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/mender-webhooks/mender-webhooks/pkg/internal/privatefile"
)

const (
	stateFormat = "mender-webhooks sandbox, version 1"
	keyType     = "RSA PRIVATE KEY"

	// savePause is the minimum pause between two writes of the state file. After
	// a long write the pause is ten times as long as the write.
	savePause       = 200 * time.Millisecond
	savePauseFactor = 10
)

// state is the content of a state file.
type state struct {
	Format       string                 `json:"format"`
	Key          string                 `json:"key"`
	Accounts     map[string]times       `json:"accounts"`
	Tokens       []*token               `json:"tokens"`
	Integrations []savedIntegration     `json:"integrations"`
	Devices      map[string][]uuid.UUID `json:"devices"`
	Events       []json.RawMessage      `json:"events"`
	DeviceAuth   []savedDevice          `json:"deviceauth"`
	Inventory    []*inventoryDevice     `json:"inventory"` // in order
}

type savedDevice struct {
	Device      *device `json:"device"`
	Provisioned bool    `json:"provisioned"`
}

type times struct {
	Created time.Time `json:"created"`
	Login   time.Time `json:"login,omitzero"`
}

type savedIntegration struct {
	ID          uuid.UUID       `json:"id"`
	Provider    provider        `json:"provider"`
	Credentials json.RawMessage `json:"credentials"`
	Description string          `json:"description,omitempty"`
	Scopes      []string        `json:"scopes,omitempty"`
}

// restore loads the state file, if there is one.
func (s *Sandbox) restore() (bool, error) {
	if s.opts.StateFile == "" {
		return false, nil
	}
	raw, err := os.ReadFile(s.opts.StateFile)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil {
		err = s.load(raw)
	}
	if err != nil {
		return false, fmt.Errorf("sandbox: load state file %s: %w; to start with an empty state, delete the file or pass another", s.opts.StateFile, err)
	}
	return true, nil
}

func (s *Sandbox) load(raw []byte) error {
	var st state
	if err := json.Unmarshal(raw, &st); err != nil {
		return fmt.Errorf("incomplete, or not a state file of the sandbox: %w", err)
	}
	if st.Format != stateFormat {
		return fmt.Errorf("unsupported format %.40q: must be %q", st.Format, stateFormat)
	}
	block, _ := pem.Decode([]byte(st.Key))
	if block == nil || block.Type != keyType {
		return errors.New("no token key")
	}
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		return fmt.Errorf("invalid token key: %w", err)
	}
	s.key, s.tokens = key, st.Tokens
	for _, a := range s.accounts {
		if t, ok := st.Accounts[a.Email]; ok {
			a.created, a.changed, a.login = t.Created, t.Created, t.Login
		}
	}
	if st.Devices != nil {
		s.devices = st.Devices
	}
	for _, d := range st.DeviceAuth {
		d.Device.provisioned = d.Provisioned
		s.registry.devices[d.Device.ID] = d.Device
	}
	for _, d := range st.Inventory {
		s.registry.inventory[d.ID] = d
		s.registry.order = append(s.registry.order, d.ID)
	}
	for _, in := range st.Integrations {
		s.integration = &integration{ID: in.ID, Provider: in.Provider, Description: in.Description, Scopes: in.Scopes, rawCredentials: in.Credentials}
		if err := json.Unmarshal(in.Credentials, &s.integration.Credentials); err != nil {
			return fmt.Errorf("invalid integration %s: %w", in.ID, err)
		}
	}
	for _, body := range st.Events {
		var e loggedEvent
		if err := json.Unmarshal(body, &e); err != nil {
			return fmt.Errorf("invalid event: %w", err)
		}
		s.log.add(newLogEntry(e, body))
	}
	return nil
}

// save writes the state file atomically.
func (s *Sandbox) save() error {
	raw, err := s.encodeState()
	if err == nil {
		err = privatefile.WriteSecret(s.opts.StateFile, raw)
	}
	if err != nil {
		err = fmt.Errorf("sandbox: save state file %s: %w", s.opts.StateFile, err)
		s.opts.Logf("%v", err)
	}
	return err
}

func (s *Sandbox) encodeState() ([]byte, error) {
	st := state{Format: stateFormat, Key: encodeKey(s.key), Accounts: map[string]times{}, Devices: map[string][]uuid.UUID{}}
	s.mu.Lock()
	s.log.expire(s.now())
	for _, a := range s.accounts {
		st.Accounts[a.Email] = times{a.created, a.login}
	}
	for _, t := range s.tokens {
		saved := *t
		st.Tokens = append(st.Tokens, &saved)
	}
	if in := s.integration; in != nil {
		st.Integrations = []savedIntegration{{in.ID, in.Provider, in.rawCredentials, in.Description, in.Scopes}}
	}
	maps.Copy(st.Devices, s.devices)
	for _, d := range s.registry.devices {
		st.DeviceAuth = append(st.DeviceAuth, savedDevice{d.copy(), d.provisioned})
	}
	for _, id := range s.registry.order {
		d := s.registry.inventory[id].project(nil)
		st.Inventory = append(st.Inventory, &d)
	}
	for _, e := range s.log.entries {
		st.Events = append(st.Events, e.body)
	}
	s.mu.Unlock()
	return json.Marshal(st)
}

func encodeKey(key *rsa.PrivateKey) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: keyType, Bytes: x509.MarshalPKCS1PrivateKey(key)}))
}

// changed schedules a write of the state file.
func (s *Sandbox) changed() {
	if s.saver != nil {
		s.saver.wake()
	}
}

// saver saves in the background, at a limited rate.
type saver struct {
	save  func() error
	dirty chan struct{}
	stop  chan struct{}
	done  sync.WaitGroup
}

func startSaver(save func() error) *saver {
	v := &saver{save: save, dirty: make(chan struct{}, 1), stop: make(chan struct{})}
	v.done.Go(v.run)
	return v
}

func (v *saver) wake() {
	select {
	case v.dirty <- struct{}{}:
	default: // already scheduled
	}
}

func (v *saver) run() {
	for {
		select {
		case <-v.stop:
			return
		case <-v.dirty:
		}
		begin := time.Now()
		_ = v.save() // logs its error; the next change retries
		pause := time.NewTimer(max(savePause, savePauseFactor*time.Since(begin)))
		select {
		case <-v.stop:
			pause.Stop()
			return
		case <-pause.C:
		}
	}
}

func (v *saver) close() error {
	close(v.stop)
	v.done.Wait()
	return v.save()
}
