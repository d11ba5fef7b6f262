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

// service is the name under which keyrings show what this tool keeps.
const service = "mender-webhooks"

// KeyringTimeout is how long a keyring has to answer: one without a session
// bus, or with a prompt that nobody sees, may never do.
const KeyringTimeout = 3 * time.Second

// SystemKeyring is a keyring as the system has it. A Get or Delete of what is
// not there is keyring.ErrNotFound of github.com/zalando/go-keyring.
type SystemKeyring interface {
	Set(service, user, password string) error
	Get(service, user string) (string, error)
	Delete(service, user string) error
}

// system is the keyring of this machine.
type system struct{}

// Set is one of the three of a SystemKeyring.
func (system) Set(service, user, password string) error { return keyring.Set(service, user, password) }

// Get is one of them.
func (system) Get(service, user string) (string, error) { return keyring.Get(service, user) }

// Delete is one of them.
func (system) Delete(service, user string) error { return keyring.Delete(service, user) }

// timed is a keyring with a time limit. Once it ran out, the keyring is not
// asked again.
type timed struct {
	keyring SystemKeyring
	limit   time.Duration

	mu   sync.Mutex
	hung error
}

// item is what a keyring keeps for one key. The old secrets are with the new
// one, so that both change at once.
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

// get wraps ErrNotFound where the keyring does not have it.
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
		return item{}, errors.New("what it has is not what this tool has put there")
	}
	return i, nil
}

// delete is done where there is nothing to delete.
func (t *timed) delete(ctx context.Context, k Key) error {
	_, err := t.do(ctx, func() (string, error) { return "", t.keyring.Delete(service, user(k)) })
	if errors.Is(err, keyring.ErrNotFound) {
		return nil
	}
	return err
}

// do gives up on a call that takes too long; the call itself can't be ended.
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
		t.hung = fmt.Errorf("it did not answer within %s", t.limit)
		return "", t.hung
	case <-ctx.Done():
		return "", ctx.Err()
	}
}
