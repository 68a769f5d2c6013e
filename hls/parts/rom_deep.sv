// rom_deep - words that stay, too many for one LUT a bit: a rom whose boundary synthesis may keep.
//
//   data_o is, one cycle after en_i, word addr_i of File; it holds while en_i is low.
//
// Style: 0 the tool chooses, 1 LUTs. Apart from what surrounds them, Yosys makes such words of LUT6s and the slice's
// multiplexers; within it, of several times as many LUTs.

module rom_deep #(
  parameter int unsigned Bits  = 8,
  parameter int unsigned Words = 128,
  parameter int unsigned Style = 0,
  parameter File = "",
  localparam int unsigned AddrBits = $clog2(Words)
) (
  input  logic                clk_i,
  input  logic                en_i,
  input  logic [AddrBits-1:0] addr_i,
  output logic [Bits-1:0]     data_o
);
  rom_words #(
    .Bits(Bits), .Words(Words), .Style(Style), .File(File)
  ) words (
    .clk_i(clk_i), .en_i(en_i), .addr_i(addr_i), .data_o(data_o)
  );
endmodule
