package sandbox

import (
	"strings"
	"testing"
)

func TestCreateRefuses(t *testing.T) {
	c := start(t, Options{})
	for body, message := range map[string]string{
		`[]`:             "json: cannot unmarshal array into Go value of type model.Integration",
		`{"provider":5}`: "json: cannot unmarshal number into Go struct field Integration.provider of type model.Provider",
		`{"id":"foo"}`:   "invalid UUID length: 3",
		`{"provider":"iot-core","credentials":{"type":"aws"}}`: "credentials: (aws: cannot be blank.).",
		`{"provider":"iot-core","credentials":{"type":"aws","aws":{"region":"eu-1"}}}`: "credentials: (aws: (access_key_id: cannot be blank; " +
			"device_policy_name: cannot be blank; secret_access_key: cannot be blank.).).",
		`{"provider":"iot-core","credentials":{"type":"aws","aws":{"region":5}}}`:                                                         "json: cannot unmarshal number into Go struct field AWSCredentials.credentials.aws.region of type string",
		`{"provider":"webhook","credentials":{"type":"http"}}`:                                                                            "credentials: (http: cannot be blank.).",
		`{"provider":"webhook","credentials":{"type":"ftp"}}`:                                                                             "credentials: (type: must be a valid value.); provider: 'webhook' incompatible with credential type 'ftp'.",
		`{"provider":"iot-hub","credentials":{"type":"sas","connection_string":"a"}}`:                                                     "invalid connectionstring format",
		`{"provider":"iot-hub","credentials":{"type":"sas","connection_string":"Foo=a"}}`:                                                 "invalid connection string key: Foo",
		`{"provider":"iot-hub","credentials":{"type":"sas","connection_string":"HostName=example.com"}}`:                                  "connection string invalid: HostName: hostname does not refer to a trusted domain; Key: cannot be blank.",
		`{"provider":"iot-hub","credentials":{"type":"sas","connection_string":"HostName=a.azure-devices.net;SharedAccessKey=c2VjcmV0"}}`: "connection string invalid: one of 'DeviceId' or 'SharedAccessKeyName' must be set",
	} {
		c.as(c.token, "POST", iot+"/integrations", body).expect(t, 400, malformed+message)
	}
	if got := c.as(c.token, "GET", iot+"/integrations", "").body; got != "[]" {
		t.Errorf("something was created: %s", got)
	}
}

func TestSecretsStayInside(t *testing.T) {
	c := start(t, Options{})
	tests := []struct{ name, body, shown, hidden string }{
		{"iot-hub", `{"provider":"iot-hub","credentials":{"type":"sas","connection_string":"HostName=a.azure-devices.net;SharedAccessKeyName=me;SharedAccessKey=c2VjcmV0"}}`,
			`"connection_string":"HostName=a.azure-devices.net;SharedAccessKeyName=me;SharedAccessKey=c2Vj...\u003comitted\u003e"`, "c2VjcmV0"},
		{"password in the URL", `{"provider":"webhook","credentials":{"type":"http","http":{"url":"https://me:word@example.com","secret":"c0ffee"}}}`,
			`"http":{"url":"https://me:word@example.com","secret":"\u003comitted\u003e"}`, "c0ffee"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := c.as(c.token, "POST", iot+"/integrations", tt.body)
			a.expect(t, 201, "")
			got := c.as(c.token, "GET", iot+"/integrations", "").body
			if !strings.Contains(got, tt.shown) || strings.Contains(got, tt.hidden) {
				t.Errorf("list: %s", got)
			}
			c.as(c.token, "DELETE", a.header.Get("Location"), "").expect(t, 204, "")
		})
	}
}

func TestAddressesAreChecked(t *testing.T) {
	c := start(t, Options{CheckAddresses: true})
	for _, host := range []string{"127.0.0.1:8080", "[::1]", "10.1.2.3", "192.168.0.1", "169.254.1.1", "0.0.0.0", "224.0.0.1", "localhost"} {
		c.as(c.token, "POST", iot+"/integrations", `{"provider":"webhook","credentials":{"type":"http","http":{"url":"http://`+host+`/x"}}}`).
			expect(t, 400, malformed+"credentials: (http: (url: hostname resolves to reserved address.).).")
	}
	const public = `{"type":"http","http":{"url":"http://203.0.113.7/x"}}`
	a := c.as(c.token, "POST", iot+"/integrations", `{"provider":"webhook","credentials":`+public+`}`)
	a.expect(t, 201, "")
	at := a.header.Get("Location") + "/credentials"
	c.as(c.token, "PUT", at, public).expect(t, 204, "")
	c.as(c.token, "PUT", at, strings.Replace(public, "203.0.113.7", "127.0.0.1", 1)).
		expect(t, 400, malformed+"http: (url: hostname resolves to reserved address.).")
}

func TestScopesOfEnterprise(t *testing.T) {
	c := start(t, Options{Scopes: true})
	c.as(c.token, "POST", iot+"/integrations", `{"provider":"webhook","scopes":["deviceauth","inventory"],"credentials":{"type":"http","http":{"url":"http://x.example"}}}`).
		expect(t, 201, "")
	if got := c.as(c.token, "GET", iot+"/integrations", "").body; !strings.Contains(got, `"scopes":["deviceauth","inventory"]`) {
		t.Errorf("scopes are gone: %s", got)
	}
}
