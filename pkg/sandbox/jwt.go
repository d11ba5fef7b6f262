package sandbox

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
)

const (
	keyBits   = 2048
	jwtHeader = `{"alg":"RS256","kid":0,"typ":"JWT"}`
)

// claims has the fields in the order in which useradm writes them.
type claims struct {
	ID        string `json:"jti"`
	Subject   string `json:"sub"`
	ExpiresAt int64  `json:"exp,omitempty"`
	IssuedAt  int64  `json:"iat"`
	Tenant    string `json:"mender.tenant,omitempty"`
	Plan      string `json:"mender.plan,omitempty"`
	User      bool   `json:"mender.user"`
	Issuer    string `json:"iss"`
	Scope     string `json:"scp"`
	NotBefore int64  `json:"nbf"`
}

func newKey() (*rsa.PrivateKey, error) {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, fmt.Errorf("sandbox: generate token key: %w", err)
	}
	return key, nil
}

// sign returns a JWT, always the same for the same claims.
func sign(key *rsa.PrivateKey, c claims) (string, error) {
	payload, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("sandbox: encode claims: %w", err)
	}
	text := base64.RawURLEncoding.EncodeToString([]byte(jwtHeader)) + "." +
		base64.RawURLEncoding.EncodeToString(payload)
	digest := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
	if err != nil {
		return "", fmt.Errorf("sandbox: sign token: %w", err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// verifySignature reports whether a JWT of three parts was signed with the key.
// It ignores the algorithm in the header.
func verifySignature(key *rsa.PublicKey, jwt string) bool {
	i := strings.LastIndexByte(jwt, '.')
	signature, err := base64.RawURLEncoding.DecodeString(jwt[i+1:])
	if err != nil {
		return false
	}
	digest := sha256.Sum256([]byte(jwt[:i]))
	return rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature) == nil
}
