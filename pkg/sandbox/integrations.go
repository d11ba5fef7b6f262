package sandbox

import (
	"encoding/json"
	"net/http"
	"slices"

	"github.com/google/uuid"
)

const integrationsPath = "/api/management/v1/iot-manager/integrations/"

// The server's messages.
const (
	notFound    = "integration not found"
	malformed   = "malformed request body: "
	omitted     = "<omitted>"
	invalidUUID = "integration ID must be a valid UUID: "
)

type provider string

const (
	providerWebhook provider = "webhook"
	providerIoTHub  provider = "iot-hub"
	providerIoTCore provider = "iot-core"
)

type credentialType string

const (
	credentialHTTP credentialType = "http"
	credentialSAS  credentialType = "sas"
	credentialAWS  credentialType = "aws"
)

// integration is the API's object. Its encoding omits secrets.
type integration struct {
	ID          uuid.UUID   `json:"id"`
	Provider    provider    `json:"provider"`
	Credentials credentials `json:"credentials"`
	Description string      `json:"description,omitempty"`
	Scopes      []string    `json:"scopes,omitempty"`

	// rawCredentials has the credentials as received, including secrets, for
	// the state file.
	rawCredentials json.RawMessage
}

type credentials struct {
	Type             credentialType    `json:"type"`
	AWS              *awsCredentials   `json:"aws,omitempty"`
	ConnectionString *connectionString `json:"connection_string,omitempty"`
	HTTP             *httpCredentials  `json:"http,omitempty"`
}

type awsCredentials struct {
	AccessKeyID      *string    `json:"access_key_id,omitempty"`
	SecretAccessKey  *awsSecret `json:"secret_access_key,omitempty"`
	Region           *string    `json:"region,omitempty"`
	DevicePolicyName *string    `json:"device_policy_name,omitempty"`
}

type httpCredentials struct {
	URL    string     `json:"url,omitempty"`
	Secret *hexSecret `json:"secret,omitempty"`
}

// UnmarshalJSON decodes as usual. It exists because the server has one, which
// shows in its error messages.
func (h *httpCredentials) UnmarshalJSON(b []byte) error {
	type plain httpCredentials
	return json.Unmarshal(b, (*plain)(h))
}

func (s *Sandbox) listIntegrations(c *call) {
	list := []integration{}
	if in := s.current(); in != nil {
		list = append(list, *in)
	}
	c.json(http.StatusOK, list)
}

// current returns the integration, or nil. It is immutable: changes replace it.
func (s *Sandbox) current() *integration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.integration
}

func (s *Sandbox) createIntegration(c *call) {
	in := new(integration)
	if message := decode(c.body, in); message != "" {
		c.fail(http.StatusBadRequest, malformed+message)
		return
	}
	if err := in.validate(c.r.Context(), s.opts.CheckAddresses); err != nil {
		c.fail(http.StatusBadRequest, malformed+err.Error())
		return
	}
	var given struct{ Credentials json.RawMessage }
	_ = decode(c.body, &given) // decoded above
	in.ID, in.rawCredentials = uuid.New(), given.Credentials
	if !s.opts.Scopes {
		in.Scopes = nil
	}
	s.mu.Lock()
	exists := s.integration != nil
	if !exists {
		s.integration = in
	}
	s.mu.Unlock()
	if exists {
		c.fail(http.StatusConflict, "integration already exists")
		return
	}
	s.changed()
	c.w.Header().Set("Location", integrationsPath+in.ID.String())
	c.empty(http.StatusCreated)
}

// getIntegration only checks the format of the id, as the server does.
func (s *Sandbox) getIntegration(c *call) {
	if _, ok := c.integrationID(); !ok {
		return
	}
	in := s.current()
	if in == nil {
		c.fail(http.StatusNotFound, notFound)
		return
	}
	c.json(http.StatusOK, in)
}

func (s *Sandbox) replaceCredentials(c *call) {
	id, ok := c.integrationID()
	if !ok {
		return
	}
	var given credentials
	message := decode(c.body, &given)
	if message == "" {
		if err := given.validate(c.r.Context(), s.opts.CheckAddresses); err != nil {
			message = err.Error()
		}
	}
	if message != "" {
		c.fail(http.StatusBadRequest, malformed+message)
		return
	}
	var raw json.RawMessage
	_ = decode(c.body, &raw) // decoded above
	s.mu.Lock()
	found := s.integration != nil && s.integration.ID == id
	if found {
		in := *s.integration
		in.Credentials, in.rawCredentials = given, raw
		s.integration = &in
	}
	s.mu.Unlock()
	if !found {
		c.fail(http.StatusNotFound, notFound)
		return
	}
	s.changed()
	c.empty(http.StatusNoContent)
}

func (s *Sandbox) deleteIntegration(c *call) {
	id, ok := c.integrationID()
	if !ok {
		return
	}
	s.mu.Lock()
	found := s.integration != nil && s.integration.ID == id
	used := found && s.integration.Provider != providerWebhook && s.inUse(id)
	if found && !used {
		s.integration = nil
	}
	s.mu.Unlock()
	switch {
	case !found:
		c.fail(http.StatusNotFound, notFound)
	case used:
		c.fail(http.StatusConflict, "cannot remove integration in use by devices")
	default:
		s.changed()
		c.empty(http.StatusNoContent)
	}
}

// inUse reports whether a device is connected to the integration. The caller
// holds s.mu.
func (s *Sandbox) inUse(id uuid.UUID) bool {
	for _, connected := range s.devices {
		if slices.Contains(connected, id) {
			return true
		}
	}
	return false
}

func (c *call) integrationID() (uuid.UUID, bool) {
	id, err := uuid.Parse(c.values["id"])
	if err != nil {
		c.fail(http.StatusBadRequest, invalidUUID+err.Error())
	}
	return id, err == nil
}
