package mender

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
)

// Integrations lists the organization's integrations of all providers. Mender
// allows one integration, although the API returns a list.
func (c *Client) Integrations(ctx context.Context) ([]Integration, error) {
	return c.integrations(ctx, "list the integrations")
}

func (c *Client) integrations(ctx context.Context, op string) ([]Integration, error) {
	return list[Integration](ctx, c, op, iotManager+"/integrations")
}

// Integration returns the integration with an id, or ErrNotFound. It searches
// the list, since the server ignores the id in a request for a single
// integration.
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
// retried only if it cannot have arrived, or was refused with 429. If the error
// is ErrOutcomeUnknown, the integration may exist. If the organization already
// has an integration, the error is ErrConflict. If the credentials are for
// another provider, they are not sent, and the error is ErrCredentials.
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
// URL without a secret removes the secret. If the id is not in the list, the
// error is ErrNotFound. If the credentials are for another provider, they are
// not sent, since the server would accept them, and the error is ErrCredentials.
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

// DeleteIntegration deletes an integration; its events remain. If the id is
// unknown, the error is ErrNotFound. If devices still use the integration
// (iot-hub, iot-core), the error is ErrConflict.
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
