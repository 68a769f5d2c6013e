// ram - one write port, one synchronous read port.
//
//   get_data_o is, one cycle after get_i, what was written at get_addr_i; it holds while get_i is low.
//
// Reading a word in the cycle it is written gives anything. Style: 0 the tool chooses, 1 LUT memory, 2 block RAM.
// A tool that counts cells alone makes a deep memory of few bits of LUTs, with a multiplexer that is slower than a block.

module ram #(
  parameter int unsigned Bits  = 8,
  parameter int unsigned Words = 16,
  parameter int unsigned Style = 0,
  localparam int unsigned AddrBits = Words > 1 ? $clog2(Words) : 1
) (
  input  logic                clk_i,
  input  logic                put_i,
  input  logic [AddrBits-1:0] put_addr_i,
  input  logic [Bits-1:0]     put_data_i,
  input  logic                get_i,
  input  logic [AddrBits-1:0] get_addr_i,
  output logic [Bits-1:0]     get_data_o
);
  localparam int unsigned Deep = 512;  // words of a LUT memory

  if (Style == 1) begin : gen_lut
    (* ram_style = "distributed" *) logic [Bits-1:0] mem [Words];
    always_ff @(posedge clk_i) begin
      if (put_i) mem[put_addr_i] <= put_data_i;
      if (get_i) get_data_o <= mem[get_addr_i];
    end
  end else if (Style == 2 || Words > Deep) begin : gen_block
    (* ram_style = "block", no_rw_check *) logic [Bits-1:0] mem [Words];
    always_ff @(posedge clk_i) begin
      if (put_i) mem[put_addr_i] <= put_data_i;
      if (get_i) get_data_o <= mem[get_addr_i];
    end
  end else begin : gen_any
    (* no_rw_check *) logic [Bits-1:0] mem [Words];
    always_ff @(posedge clk_i) begin
      if (put_i) mem[put_addr_i] <= put_data_i;
      if (get_i) get_data_o <= mem[get_addr_i];
    end
  end
endmodule
