#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "eventstore/clock.h"
#include "eventstore/random.h"
#include "services/auth/json_web_keys.h"
#include "services/auth/token_verifier.h"

namespace records::services {

inline constexpr char kDevelopmentIssuerName[] = "records-development";
inline constexpr char kDevelopmentAudience[] = "records";

// The two files of a development issuer, in its folder.
inline constexpr char kDevelopmentKeyFile[] = "development-issuer.jwk";  // private, mode 0600
inline constexpr char kDevelopmentKeysFile[] = "development-issuer.jwks.json";  // public

// Makes tokens for trying the system out on one machine. The server takes them on loopback only.
//
// Thread-safe. Clock and random source must outlive it. The private key is in its file and in this
// object, and nowhere else.
class DevelopmentIssuer {
 public:
  // Opens the issuer in `folder`, and makes it with a fresh ES256 key when there is none. Two
  // processes that start at once get the same key. The public keys file is written when it is
  // missing or differs. On return both files are synced. kFailedPrecondition: others can read the
  // private key, or it belongs to somebody else. kDataLoss: the private key's file is damaged.
  // kNotFound, kUnavailable: the folder is not there or cannot be written.
  static absl::StatusOr<std::unique_ptr<DevelopmentIssuer>> OpenOrCreate(
      const std::filesystem::path& folder, const eventstore::Clock& clock,
      eventstore::Random& random);

  // Opens the issuer, for `recordsctl token`. As OpenOrCreate(), but writes nothing; kNotFound: the
  // server has not made it yet.
  static absl::StatusOr<std::unique_ptr<DevelopmentIssuer>> Open(
      const std::filesystem::path& folder, const eventstore::Clock& clock,
      eventstore::Random& random);

  // Returns a signed token that is valid from now on for `lifetime`. `extra_claims` are strings and
  // reach the server as Token::development_claims.
  // kInvalidArgument: no subject, no lifetime, or an extra claim with a registered name.
  absl::StatusOr<std::string> Mint(
      absl::string_view subject, const std::vector<std::string>& roles, absl::Duration lifetime,
      const std::map<std::string, std::string>& extra_claims = {}) const;

  // What a TokenVerifier needs to take these tokens.
  TokenIssuer AsTokenIssuer() const;

 private:
  DevelopmentIssuer(std::filesystem::path folder, const eventstore::Clock& clock,
                    eventstore::Random& random);

  absl::Status LoadKey();

  const std::filesystem::path folder_;
  const eventstore::Clock& clock_;
  eventstore::Random& random_;
  JsonWebKeyHandle key_;
  std::string key_id_;
  std::string public_keys_;  // the JWK Set
};

}  // namespace records::services
