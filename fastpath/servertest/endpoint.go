package servertest

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"
)

// Endpoint is where and as whom tests call.
type Endpoint struct {
	URL         string // https://host:port
	Region      string
	Account     string // of the credential
	AccessKeyID string
	Secret      string
	Session     string         // token; empty: none
	RootPEM     []byte         // of the CA
	RootCAs     *x509.CertPool // nil: the system's

	client *http.Client
	once   sync.Once
}

// requestTimeout bounds one request of a test: far above what any takes, below what a test may.
const requestTimeout = 30 * time.Second

// HTTP is the endpoint's client; its connections are kept for all tests.
func (e *Endpoint) HTTP() *http.Client {
	e.once.Do(func() {
		e.client = &http.Client{
			Timeout: requestTimeout,
			Transport: &http.Transport{
				TLSClientConfig:     &tls.Config{RootCAs: e.RootCAs, MinVersion: tls.VersionTLS12},
				MaxIdleConnsPerHost: 16,
			},
		}
	})
	return e.client
}

// CloseIdle closes connections that no request uses.
func (e *Endpoint) CloseIdle() {
	e.HTTP().CloseIdleConnections()
}

// Config is an SDK configuration for the endpoint: its credential, Region and CA, no retries.
func (e *Endpoint) Config() aws.Config {
	return aws.Config{
		Region:       e.Region,
		BaseEndpoint: aws.String(e.URL),
		Credentials:  credentials.NewStaticCredentialsProvider(e.AccessKeyID, e.Secret, e.Session),
		HTTPClient:   e.HTTP(),
		Retryer:      func() aws.Retryer { return aws.NopRetryer{} },
	}
}

// KMS is an SDK client of the endpoint.
func (e *Endpoint) KMS(options ...func(*kms.Options)) *kms.Client {
	return kms.NewFromConfig(e.Config(), options...)
}

// In is an SDK client for another Region of the endpoint.
func (e *Endpoint) In(region string) *kms.Client {
	return e.KMS(func(o *kms.Options) { o.Region = region })
}

// As is an SDK client with another credential.
func (e *Endpoint) As(accessKeyID, secret string) *kms.Client {
	return e.KMS(func(o *kms.Options) {
		o.Credentials = credentials.NewStaticCredentialsProvider(accessKeyID, secret, "")
	})
}
