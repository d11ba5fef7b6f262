package sandbox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

const (
	maxDescription = 1024 // bytes
	maxConnection  = 4096 // bytes
)

var (
	errBlank        = errors.New("cannot be blank")
	errInvalidValue = errors.New("must be a valid value")
	errReserved     = errors.New("hostname resolves to reserved address")
	errReservedDial = errors.New("destination address is in reserved address range")
)

// fieldsError maps the names of invalid fields to their errors. It is formatted
// as by the validation library of Mender's services: sorted by name, with a
// full stop.
type fieldsError map[string]error

func (e fieldsError) Error() string {
	var texts []string
	for _, name := range slices.Sorted(maps.Keys(e)) {
		format := "%s: %v"
		if errors.As(e[name], new(fieldsError)) {
			format = "%s: (%v)"
		}
		texts = append(texts, fmt.Sprintf(format, name, e[name]))
	}
	return strings.Join(texts, "; ") + "."
}

// add stores the error of a field, unless there is one already.
func (e fieldsError) add(name string, err error) {
	if _, ok := e[name]; !ok && err != nil {
		e[name] = err
	}
}

// orNil returns nil if no field is invalid.
func (e fieldsError) orNil() error {
	if len(e) == 0 {
		return nil
	}
	return e
}

func (in *integration) validate(ctx context.Context, checkAddress bool) error {
	errs := fieldsError{}
	if in.Provider == "" {
		errs.add("provider", errBlank)
	}
	errs.add("provider", in.compatible())
	errs.add("credentials", in.Credentials.validate(ctx, checkAddress))
	if len(in.Description) > maxDescription {
		errs.add("description", fmt.Errorf("the length must be no more than %d", maxDescription))
	}
	return errs.orNil()
}

func (in *integration) compatible() error {
	want := map[provider]credentialType{
		providerWebhook: credentialHTTP,
		providerIoTHub:  credentialSAS,
		providerIoTCore: credentialAWS,
	}
	if t, known := want[in.Provider]; known && t == in.Credentials.Type {
		return nil
	}
	return fmt.Errorf("'%s' incompatible with credential type '%s'", in.Provider, in.Credentials.Type)
}

// validate checks that the credentials of the type exist, and that all given
// ones are valid. It does not check that the type fits the provider.
func (c *credentials) validate(ctx context.Context, checkAddress bool) error {
	errs := fieldsError{}
	switch c.Type {
	case "":
		errs.add("type", errBlank)
	case credentialSAS:
		if c.ConnectionString == nil || *c.ConnectionString == "" {
			errs.add("connection_string", errBlank)
		}
	case credentialAWS:
		if c.AWS == nil {
			errs.add("aws", errBlank)
		}
	case credentialHTTP:
		if c.HTTP == nil {
			errs.add("http", errBlank)
		}
	default:
		errs.add("type", errInvalidValue)
	}
	if c.AWS != nil {
		errs.add("aws", c.AWS.validate())
	}
	if c.HTTP != nil {
		if err := c.HTTP.validateURL(ctx, checkAddress); err != nil {
			errs.add("http", fieldsError{"url": err})
		}
	}
	return errs.orNil()
}

func (a *awsCredentials) validate() error {
	errs := fieldsError{}
	for name, value := range map[string]*string{
		"access_key_id":      a.AccessKeyID,
		"secret_access_key":  (*string)(a.SecretAccessKey),
		"region":             a.Region,
		"device_policy_name": a.DevicePolicyName,
	} {
		if value == nil || *value == "" {
			errs.add(name, errBlank)
		}
	}
	return errs.orNil()
}

func (h *httpCredentials) validateURL(ctx context.Context, checkAddress bool) error {
	if h.URL == "" {
		return errBlank
	}
	u, err := url.Parse(h.URL)
	if err != nil || !checkAddress {
		return err
	}
	// The server does not limit this lookup; the sandbox must not hang.
	ctx, cancel := context.WithTimeout(ctx, webhook.DeliveryTimeout)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupIP(ctx, "ip", u.Hostname())
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(addresses, reserved) {
		return nil
	}
	return errReserved
}

// reserved reports whether Mender refuses to send webhooks to an address.
func reserved(ip net.IP) bool {
	return ip.IsLoopback() || ip.IsPrivate() || !ip.IsGlobalUnicast() || ip.IsInterfaceLocalMulticast()
}

// checkDialed refuses a reserved address when connecting, because a name may
// resolve differently by then.
func checkDialed(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	ip := net.ParseIP(host)
	switch {
	case ip == nil:
		return &net.ParseError{Type: "IP address", Text: address}
	case reserved(ip):
		return errReservedDial
	}
	return nil
}

// checkConnection checks the parts of a connection string of length bytes. Its
// errors use the server's names of the fields.
func checkConnection(parts map[string]string, length int) error {
	errs := fieldsError{}
	switch host, _, _ := strings.Cut(parts["HostName"], ":"); {
	case host == "":
		errs.add("HostName", errBlank)
	case !trusted(host):
		errs.add("HostName", errHostNotTrusted)
	}
	if parts["SharedAccessKey"] == "" {
		errs.add("Key", errBlank)
	}
	switch {
	case len(errs) > 0:
		return errs
	case parts["DeviceId"] == "" && parts["SharedAccessKeyName"] == "":
		return errNoKeyName
	case length > maxConnection:
		return errConnectionLength
	}
	return nil
}

// trusted reports whether a host is in a domain that the server accepts by
// default: *.azure-devices.net and *.iot.*.amazonaws.com.
func trusted(host string) bool {
	labels := strings.Split(strings.ToLower(strings.TrimSuffix(host, ".")), ".")
	for _, pattern := range [][]string{
		{"*", "azure-devices", "net"},
		{"*", "iot", "*", "amazonaws", "com"},
	} {
		if slices.EqualFunc(pattern, labels, func(p, l string) bool { return p == "*" || p == l }) {
			return true
		}
	}
	return false
}
