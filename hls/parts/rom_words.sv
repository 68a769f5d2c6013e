// rom_words - words that stay, in the memory that Style asks for.
//
//   data_o is, one cycle after en_i, word addr_i of File; it holds while en_i is low.
//
// Style: 0 the tool chooses, 1 LUTs, 2 block RAM; see rom.

module rom_words #(
  parameter int unsigned Bits  = 8,
  parameter int unsigned Words = 16,
  parameter int unsigned Style = 0,
  parameter File = "",
  localparam int unsigned AddrBits = $clog2(Words)
) (
  input  logic                clk_i,
  input  logic                en_i,
  input  logic [AddrBits-1:0] addr_i,
  output logic [Bits-1:0]     data_o
);
  if (Style == 1) begin : gen_lut
    (* rom_style = "distributed", ram_style = "logic" *) logic [Bits-1:0] mem [Words];
    if (File != "") begin : gen_file
      initial $readmemh(File, mem);
    end
    always_ff @(posedge clk_i) if (en_i) data_o <= mem[addr_i];
  end else if (Style == 2) begin : gen_block
    (* rom_style = "block", ram_style = "block" *) logic [Bits-1:0] mem [Words];
    if (File != "") begin : gen_file
      initial $readmemh(File, mem);
    end
    always_ff @(posedge clk_i) if (en_i) data_o <= mem[addr_i];
  end else begin : gen_any
    logic [Bits-1:0] mem [Words];
    if (File != "") begin : gen_file
      initial $readmemh(File, mem);
    end
    always_ff @(posedge clk_i) if (en_i) data_o <= mem[addr_i];
  end
endmodule
