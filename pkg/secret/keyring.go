package secret

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/zalando/go-keyring"
)

// service is the service name of this program's entries in a keyring.
const service = "mender-webhooks"

// keyringTimeout limits the wait for a keyring: without a session bus, or behind a
// prompt that no one sees, it may never answer.
const keyringTimeout = 3 * time.Second

// systemKeyring is the operating system's keyring. Get and Delete return
// ErrNotFound of github.com/zalando/go-keyring for an entry that does not exist.
type systemKeyring interface {
	Set(service, user, password string) error
	Get(service, user string) (string, error)
	Delete(service, user string) error
}

// system is this machine's keyring.
type system struct{}

// Set stores an entry.
func (system) Set(service, user, password string) error { return keyring.Set(service, user, password) }

// Get returns an entry.
func (system) Get(service, user string) (string, error) { return keyring.Get(service, user) }

// Delete removes an entry.
func (system) Delete(service, user string) error { return keyring.Delete(service, user) }

// timed is a keyring with a time limit. After a call times out, later calls fail
// at once.
type timed struct {
	keyring systemKeyring
	limit   time.Duration

	mu   sync.Mutex
	hung error
}

// item is an entry of the keyring: the new secret together with the old ones, so
// that they change together.
type item struct {
	Value string   `json:"value,omitempty"`
	Old   []string `json:"old,omitempty"`
}

func user(k Key) string {
	if k.Organization == "" {
		return fmt.Sprintf("%s %s %s", k.Kind, k.Server, k.Name)
	}
	return fmt.Sprintf("%s %s %s %s", k.Kind, k.Server, k.Organization, k.Name)
}

func (t *timed) set(ctx context.Context, k Key, i item) error {
	text, err := json.Marshal(i)
	if err != nil {
		return err
	}
	_, err = t.do(ctx, func() (string, error) { return "", t.keyring.Set(service, user(k), string(text)) })
	return err
}

// get returns ErrNotFound if the keyring has no such entry.
func (t *timed) get(ctx context.Context, k Key) (item, error) {
	text, err := t.do(ctx, func() (string, error) { return t.keyring.Get(service, user(k)) })
	if errors.Is(err, keyring.ErrNotFound) {
		return item{}, ErrNotFound
	}
	if err != nil {
		return item{}, err
	}
	var i item
	if json.Unmarshal([]byte(text), &i) != nil {
		return item{}, errors.New("its entry was not written by this program")
	}
	return i, nil
}

// delete succeeds if there is nothing to delete.
func (t *timed) delete(ctx context.Context, k Key) error {
	_, err := t.do(ctx, func() (string, error) { return "", t.keyring.Delete(service, user(k)) })
	if errors.Is(err, keyring.ErrNotFound) {
		return nil
	}
	return err
}

// do makes a call, and returns an error if it takes too long; the call itself
// cannot be interrupted.
func (t *timed) do(ctx context.Context, call func() (string, error)) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.hung != nil {
		return "", t.hung
	}
	type result struct {
		text string
		err  error
	}
	done := make(chan result, 1)
	go func() {
		text, err := call()
		done <- result{text, err}
	}()
	timer := time.NewTimer(t.limit)
	defer timer.Stop()
	select {
	case r := <-done:
		return r.text, r.err
	case <-timer.C:
		t.hung = fmt.Errorf("no answer within %s", t.limit)
		return "", t.hung
	case <-ctx.Done():
		return "", ctx.Err()
	}
}
