#pragma once

#include <openssl/sha.h>

#include <array>
#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace records::services {

// What a verified token says.
struct Token {
  std::string issuer;
  std::string subject;             // 1 to 256 characters of [A-Za-z0-9._@|:+=~-]
  std::vector<std::string> roles;  // each [a-z][a-z0-9-]*, at most 64 characters
  absl::Time not_before;
  absl::Time expires_at;
  bool development = false;  // made by the development issuer: for loopback only
  // String claims besides the registered ones; of development tokens only, others hold names.
  std::map<std::string, std::string> development_claims;
};

using TokenDigest = std::array<uint8_t, SHA256_DIGEST_LENGTH>;

// The SHA-256 of a token; the cache never holds the token itself.
TokenDigest DigestOf(absl::string_view token);

// Verified tokens by digest. Bounded: the least recently used one goes first. Thread-safe.
class TokenCache {
 public:
  // REQUIRES: entries_max > 0.
  explicit TokenCache(size_t entries_max) : entries_max_(entries_max) {}

  // Returns the token, or nothing when it is not there.
  std::optional<Token> Find(const TokenDigest& digest);

  // Inserts, unless the cache was cleared since generation() gave `generation`: what was verified
  // with keys of before must not stay.
  void Insert(uint64_t generation, const TokenDigest& digest, const Token& token);

  // Removes one token, or all.
  void Erase(const TokenDigest& digest);
  void Clear();

  uint64_t generation() const;
  size_t size() const;

 private:
  using Entries = std::list<std::pair<TokenDigest, Token>>;

  const size_t entries_max_;
  mutable absl::Mutex mutex_;
  uint64_t generation_ ABSL_GUARDED_BY(mutex_) = 0;
  Entries entries_ ABSL_GUARDED_BY(mutex_);  // most recently used first
  absl::flat_hash_map<TokenDigest, Entries::iterator> index_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace records::services
