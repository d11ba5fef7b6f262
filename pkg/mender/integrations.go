package mender

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
)

// Integrations lists the organization's integrations, of every provider.
// Mender has one at most; the API leaves room for more.
func (c *Client) Integrations(ctx context.Context) ([]Integration, error) {
	return c.integrations(ctx, "list the integrations")
}

func (c *Client) integrations(ctx context.Context, op string) ([]Integration, error) {
	return list[Integration](ctx, c, op, iotManager+"/integrations")
}

// Integration returns one integration by its whole id, or an error that is
// ErrNotFound. It goes through the list: the server's own answer by id takes
// no account of the id.
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

// CreateIntegration sets up an integration and returns its id. One request is
// made, and made again only where it can't have arrived, or came back with
// 429. An error that is ErrOutcomeUnknown says that the integration may be
// there all the same. An organization has one integration: a second is
// ErrConflict. Credentials that don't fit the provider are ErrCredentials, and
// are not sent.
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
	// Location is a path, with or without a host before it.
	location, err := url.Parse(resp.Header().Get("Location"))
	if err == nil {
		_, id, _ = strings.Cut(location.Path, iotManager+"/integrations/")
	}
	if id == "" || strings.Contains(id, "/") {
		return "", c.badAnswer(k, resp, errors.New("it does not say the new integration's id"))
	}
	return id, nil
}

// ReplaceCredentials puts new credentials in the place of an integration's
// own, all of them: a webhook's URL without a secret takes its secret away.
// Credentials of another provider than the integration's are ErrCredentials
// and are not sent, since the server would take them. It is ErrNotFound where
// the list does not have the id.
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

// DeleteIntegration removes an integration; its events stay. It is ErrNotFound
// where there is none with the id, and ErrConflict where devices still use it
// (iot-hub and iot-core).
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
		return nil // an earlier attempt, whose answer was lost, has done it
	}
	return err
}
