package mender

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
)

// Integrations lists the organization's integrations of all providers. Mender
// allows one; the API would allow more.
func (c *Client) Integrations(ctx context.Context) ([]Integration, error) {
	return c.integrations(ctx, "list the integrations")
}

func (c *Client) integrations(ctx context.Context, op string) ([]Integration, error) {
	return list[Integration](ctx, c, op, iotManager+"/integrations")
}

// Integration returns the integration with an id, or ErrNotFound. It searches the
// list, since the server ignores the id in a request for one integration.
func (c *Client) Integration(ctx context.Context, id string) (Integration, error) {
	return c.integration(ctx, "get the integration", id)
}

func (c *Client) integration(ctx context.Context, op, id string) (Integration, error) {
	all, err := c.integrations(ctx, op)
	if err != nil {
		return Integration{}, err
	}
	for _, i := range all {
		if strings.EqualFold(i.ID, id) {
			return i, nil
		}
	}
	k := &call{op: op, method: http.MethodGet, path: iotManager + "/integrations"}
	return Integration{}, k.notFound("there is no integration with the id " + id)
}

// CreateIntegration creates an integration and returns its id. The request is
// retried only if it cannot have arrived, or was answered 429. After
// ErrOutcomeUnknown the integration may exist. An organization has one
// integration: a second is ErrConflict. Credentials of another provider are
// ErrCredentials and are not sent.
func (c *Client) CreateIntegration(ctx context.Context, n NewIntegration) (id string, err error) {
	k := &call{
		op: "create the integration", method: http.MethodPost, path: iotManager + "/integrations",
		body: n, accept: []int{http.StatusCreated}, secrets: n.Credentials.secrets(),
		mayCreate: "the integration may have been created",
	}
	if err := checkCredentials(n.Provider, "", n.Credentials); err != nil {
		return "", k.refused(ErrCredentials, err)
	}
	resp, err := c.do(ctx, k)
	if err != nil {
		return "", err
	}
	// Location is a path, with or without a host.
	location, err := url.Parse(resp.Header().Get("Location"))
	if err == nil {
		_, id, _ = strings.Cut(location.Path, iotManager+"/integrations/")
	}
	if id == "" || strings.Contains(id, "/") {
		return "", c.badAnswer(k, resp, errors.New("it does not contain the new integration's id"))
	}
	return id, nil
}

// ReplaceCredentials replaces all of an integration's credentials: a webhook's
// URL without a secret removes the secret. Credentials of another provider are
// ErrCredentials and are not sent, since the server would accept them. An id that
// is not in the list is ErrNotFound.
func (c *Client) ReplaceCredentials(ctx context.Context, id string, credentials Credentials) error {
	const op = "replace the integration's credentials"
	now, err := c.integration(ctx, op, id)
	if err != nil {
		return err
	}
	k := &call{
		op: op, method: http.MethodPut, path: iotManager + "/integrations/" + url.PathEscape(now.ID) + "/credentials",
		body: credentials, accept: []int{http.StatusNoContent}, secrets: credentials.secrets(),
	}
	if err := checkCredentials(now.Provider, now.Credentials.Type, credentials); err != nil {
		return k.refused(ErrCredentials, err)
	}
	_, err = c.do(ctx, k)
	return err
}

// DeleteIntegration deletes an integration; its events remain. An unknown id is
// ErrNotFound. An integration that devices still use (iot-hub, iot-core) is
// ErrConflict.
func (c *Client) DeleteIntegration(ctx context.Context, id string) error {
	escaped, ok := pathID(id)
	k := &call{
		op: "delete the integration", method: http.MethodDelete,
		path: iotManager + "/integrations/" + escaped, accept: []int{http.StatusNoContent},
	}
	if !ok {
		return k.notFound("there is no integration with the id " + id)
	}
	_, err := c.do(ctx, k)
	if errors.Is(err, ErrNotFound) && k.lost {
		return nil // an earlier attempt, whose answer was lost, succeeded
	}
	return err
}
