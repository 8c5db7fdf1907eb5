// Bytes that are stored for ever (FORMAT.md): what was written once must open with every later
// version. The values were computed apart from this code, with HMAC, HKDF and AES-GCM of Python.
#include <string>

#include "absl/strings/escaping.h"
#include "eventstore/key_store_rows.h"
#include "eventstore/sealing_fields.h"
#include "eventstore/sealing_padding.h"
#include "eventstore/store_secrets.h"
#include "gtest/gtest.h"

namespace records::eventstore {
namespace {

using ::absl::BytesToHexString;
using ::absl::HexStringToBytes;

constexpr char kReference[] =
    "c15c0289ec2d0a9167ec8e651146e766614bb8d1dbc792c94c6f7ac552f335783cfa61690e70"
    "d2c2e2d857df45c636a651ea6cf8cd3e276da4d4161cff97a7527ed335f3edcfa81e1d7cf687";
constexpr char kUntaggedReference[] =
    "c15c0289ec2d0a9167ec8e651146e766614bb8d1dbc792c94c6f7ac552f335783cfa61690e70"
    "d2c2e2d857df45c636a651ea6cf8cd3e266fa7d0131a42e3cb3500c8287bbf38e25eb1d85fcd";
constexpr char kWrapped[] =
    "00000007c15c0289ec2d0a9167ec8e65221e440f6f751fa13f5912f930ab4705c56ca4bd9ed97c56db";

SecretBytes FixedSecret() {
  return SecretBytes::CopyOf(
      HexStringToBytes("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"));
}

KeyPurpose FixedPurpose() {
  return {*SubjectId::FromHex("a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"),
          12,
          {KeyScopeKind::kRoot, 0, *RootId::FromHex("b0b1b2b3b4b5b6b7b8b9babbbcbdbebf")}};
}

TEST(KeyFormatsTest, APurposeIsTheseBytes) {
  EXPECT_EQ(BytesToHexString(EncodePurpose(FixedPurpose())),
            "01040000000c00000000a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf"
            "000000000000");
  const KeyPurpose month{FixedPurpose().subject, 65'535, {KeyScopeKind::kMonth, 202611, {}}};
  EXPECT_EQ(BytesToHexString(EncodePurpose(month)),
            "01030000ffff00031773a0a1a2a3a4a5a6a7a8a9aaabacadaeaf00000000000000000000000000000000"
            "000000000000");
  EXPECT_EQ(*DecodePurpose(EncodePurpose(month)), month);
  std::string trailing = EncodePurpose(month);
  trailing.back() = 1;
  EXPECT_EQ(DecodePurpose(trailing).status().code(), absl::StatusCode::kDataLoss);
}

TEST(KeyFormatsTest, AReferenceThatWasMadeOnceOpens) {
  const StoreSecrets secrets = *StoreSecrets::Create(FixedSecret());
  SeededRandom random(1);
  const KeyReference reference{FixedPurpose(), {1, 2, 3, 4, 5, 6}};
  EXPECT_EQ(BytesToHexString(*secrets.MakeReference(reference, random)), kReference);
  const auto opened = secrets.OpenReference(HexStringToBytes(kReference));
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(*opened, reference);
  // One of before there were tags.
  const auto untagged = secrets.OpenReference(HexStringToBytes(kUntaggedReference));
  ASSERT_TRUE(untagged.ok()) << untagged.status();
  EXPECT_EQ(*untagged, (KeyReference{FixedPurpose(), {}}));
}

TEST(KeyFormatsTest, NamesOfRowsAreFixed) {
  const StoreSecrets secrets = *StoreSecrets::Create(FixedSecret());
  EXPECT_EQ(BytesToHexString(secrets.KeyRow(FixedPurpose())),
            "f5ace1cc578e822f931f851a4a15606e47ae7aa9d280f4bf962ad3644e5bed1e");
  EXPECT_EQ(BytesToHexString(secrets.FenceRow(FixedPurpose().subject)),
            "72132baea5a5bf2dcba68947d4afae59");
  EXPECT_EQ(BytesToHexString(secrets.ReferenceRow("north", "customer", "C-1")),
            "aed85227fc0e4aa501af6cdb6bdda17ac3b1000d21c0323eb111f1aaae4d1822");
  EXPECT_EQ(BytesToHexString(secrets.SubjectRow(FixedPurpose().subject)),
            "ae3e779b9d7431744cfc1fbadfd6e0a0");
  EXPECT_EQ(BytesToHexString(AsBytes(secrets.KeyedHash("label", "data"))),
            "01cdeeb872561e043ff5478089aefd5eade1e259641458510bb6d8b275a7ef58");
  EXPECT_EQ(secrets.PseudoEntry("north", "customer", "C-1").root.ToHex(),
            "025db708e03a4beabd9f480a6be6cd05");
  EXPECT_EQ(*secrets.SealToken("label", "caller", "data"),
            "jRB4mZIsmZPROY2W16Rh9eRZaNZ1pUAozXcLZVWZH6A");
}

TEST(KeyFormatsTest, ARowThatWasWrappedOnceOpens) {
  MasterKeys masters;
  masters.push_back({7, absl::FromUnixSeconds(1795334400), FixedSecret()});
  const StoreId store = *StoreId::FromHex("c0c1c2c3c4c5c6c7c8c9cacbcccdcecf");
  const RowSealer sealer = *RowSealer::Create(masters, store);
  SeededRandom random(1);
  EXPECT_EQ(BytesToHexString(*sealer.Seal(kKeysTable, "row", "plaintext", random)), kWrapped);
  EXPECT_EQ(sealer.Open(kKeysTable, "row", HexStringToBytes(kWrapped))->view(), "plaintext");
  EXPECT_EQ(BytesToHexString(*MasterKeyCheck(masters.front(), store)), "9cc179d92d3aaf05");
}

TEST(KeyFormatsTest, ContentsOfRowsAreTheseBytes) {
  const KeyRow key{FixedSecret(), *KeyId::FromHex("d0d1d2d3d4d5d6d7d8d9dadbdcdddedf"),
                   FixedPurpose(), absl::FromUnixMicros(0x0102030405060708)};
  EXPECT_EQ(BytesToHexString(EncodeKeyRow(key).view()),
            "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
            "d0d1d2d3d4d5d6d7d8d9dadbdcdddedf" +
                BytesToHexString(EncodePurpose(FixedPurpose())) + "0102030405060708");
  const DirectoryRow row{
      {FixedPurpose().subject, FixedPurpose().scope.root}, "north", "staff", "S"};
  EXPECT_EQ(BytesToHexString(EncodeDirectoryRow(row).view()),
            "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf"
            "00056e6f727468"
            "00057374616666"
            "000153" +
                std::string(158, '0'));
  StorageBatch batch;
  batch.Put(kKeysTable, "key", "value");
  batch.Delete(kFencesTable, "fence");
  const KeyStoreState state = NextState(KeyStoreState{.sequence = 4}, batch, {0, 9, 8, 7});
  EXPECT_EQ(BytesToHexString(EncodeState(state)),
            "0000000000000005"
            "59eb39cc414cb2c605192f7177a8eceaff67841a43eb63d67df4a3f6f78da742" +
                std::string(64, '0') +
                "0000000000000009"
                "0000000000000008"
                "0000000000000007");
}

TEST(KeyFormatsTest, WhatAPartIsBoundToIsTheseBytes) {
  records::log::v1::Event event;
  event.set_id("IIII");
  event.set_type("T");
  event.mutable_stream()->set_organisation("north");
  event.mutable_stream()->set_collection("customers");
  event.mutable_stream()->set_root("RR");
  EXPECT_EQ(BytesToHexString(AssociatedDataOf(AssociatedDataOf(event), "KK")),
            "00000016" + BytesToHexString("records sealed part v1") + "0000000449494949" +
                "0000000154" + "000000056e6f727468" + "00000009637573746f6d657273" +
                "000000025252" + "00000000" + "4b4b");
  std::string padded = "text";
  PadToSizeClass(padded, 0);
  EXPECT_EQ(BytesToHexString(padded), "7465787480" + std::string(118, '0'));
}

}  // namespace
}  // namespace records::eventstore
