package sandbox

import (
	"context"
	"errors"
	"fmt"
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

// fieldsError says what is wrong with fields, by their names. It reads as
// the validation library of Mender's services words it: sorted by name, with
// a full stop.
type fieldsError map[string]error

func (e fieldsError) Error() string {
	names := make([]string, 0, len(e))
	for name := range e {
		names = append(names, name)
	}
	slices.Sort(names)
	texts := make([]string, len(names))
	for i, name := range names {
		var nested fieldsError
		if errors.As(e[name], &nested) {
			texts[i] = fmt.Sprintf("%s: (%v)", name, nested)
		} else {
			texts[i] = fmt.Sprintf("%s: %v", name, e[name])
		}
	}
	return strings.Join(texts, "; ") + "."
}

// add keeps the first error of a field.
func (e fieldsError) add(name string, err error) {
	if _, ok := e[name]; !ok && err != nil {
		e[name] = err
	}
}

// orNil makes no errors no error.
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

// validate checks whatever credentials are there, and asks for those of the
// type. That the type fits the provider is not among it.
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
	// The server's look-up has no limit of its own; a delivery's does.
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

// reserved says whether Mender refuses to send webhooks to an address.
func reserved(ip net.IP) bool {
	return ip.IsLoopback() || ip.IsPrivate() || !ip.IsGlobalUnicast() || ip.IsInterfaceLocalMulticast()
}

// checkDialed refuses an address at the moment of connecting, for names that
// resolve to something else by then.
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

// checkConnection checks the parts of a connection string of length bytes.
// The server's names for its fields show here.
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

// trusted says whether a host is in one of the domains that the server takes
// by default: *.azure-devices.net and *.iot.*.amazonaws.com.
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
